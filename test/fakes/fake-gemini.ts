import { type FakeAnswer, FakeProvider, type FakeProviderOptions, type FakeRequest } from './fake-provider.js';
import { googleError, refusalOfBody, refusalOfKey, refusalOfMeaning, refusalOfModel } from './gemini-errors.js';
import type { GenerateContentBody } from './gemini-schema.js';

/** One part of an answer; any of the API's fields. */
export interface GeminiAnswerPart {
  readonly text?: string;
  readonly thoughtSignature?: string;
  readonly [field: string]: unknown;
}

/** A piece of one candidate, as Gemini's stream sends them. */
export interface GeminiPiece {
  /** Default 0. */
  readonly index?: number;
  readonly parts?: readonly GeminiAnswerPart[];
  readonly finish?: string;
  readonly grounding?: object;
  readonly logprobs?: object;
}

/** What the fake answers to one request, streamed or not as the request asks. */
export interface GeminiScript {
  readonly pieces?: readonly GeminiPiece[];
  /** Default 5 of the answer and 0 of thoughts. */
  readonly thoughtTokens?: number;
  /** Tokens of the prompt that were read from the cache. Default 0: not named. */
  readonly cachedTokens?: number;
  /** The prompt is refused for this reason. */
  readonly blockReason?: string;
  /** Instead of an answer. */
  readonly error?: FakeAnswer;
  /** So many pieces are sent; then the connection breaks, or what `ending` says. */
  readonly cutAfter?: number;
  /** After {@link cutAfter}: `cut` (default), `end` in peace, `hold` until the caller leaves, or an error in the stream. */
  readonly ending?: 'cut' | 'end' | 'hold' | { readonly errorInStream: object };
}

export interface FakeGeminiOptions extends FakeProviderOptions {
  /** The one key that is accepted. Default `AIzaTest000000000000`. */
  readonly key?: string;
  /** Default `gemini-2.0-flash`, `gemini-2.5-flash`, `gemini-3-pro-preview`. */
  readonly models?: readonly string[];
}

const PROMPT_TOKENS = 12;
const ANSWER_TOKENS = 5;
const HELLO: GeminiScript = { pieces: [{ parts: [{ text: 'Hello!' }], finish: 'STOP' }] };

/** Google's Gemini API on the loopback: `generateContent`, streamed and not, and the list of models. Refuses what the real one refuses. */
export class FakeGemini {
  readonly key: string;
  readonly models: readonly string[];
  readonly #scripts: GeminiScript[] = [];
  /** Thought signatures that were given out. */
  readonly #issued = new Set<string>();
  #provider: FakeProvider | undefined = undefined;
  #answers = 0;

  private constructor(options: FakeGeminiOptions) {
    this.key = options.key ?? 'AIzaTest000000000000';
    this.models = options.models ?? ['gemini-2.0-flash', 'gemini-2.5-flash', 'gemini-3-pro-preview'];
  }

  static async start(options: FakeGeminiOptions = {}): Promise<FakeGemini> {
    const fake = new FakeGemini(options);
    fake.#provider = await FakeProvider.start((request) => fake.#answer(request), options);
    return fake;
  }

  /** The server below it: address, authority, requests. */
  get provider(): FakeProvider {
    return this.#provider as FakeProvider;
  }

  /** Body of the last request. */
  get lastBody(): GenerateContentBody {
    return this.provider.lastRequest.json as GenerateContentBody;
  }

  /** Scripts of the next answers, in order. Without one: `Hello!`. */
  script(...scripts: readonly GeminiScript[]): void {
    this.#scripts.push(...scripts);
  }

  /** Forgets the scripts that no request has used. */
  unscript(): void {
    this.#scripts.length = 0;
  }

  close(): Promise<void> {
    return this.provider.close();
  }

  #answer(request: FakeRequest): FakeAnswer {
    const refused = refusalOfKey(request, this.key);
    if (refused !== undefined) return refused;
    if (request.method === 'GET' && request.path === '/v1beta/models') {
      return { json: { models: this.models.map((name) => modelObject(name)) } };
    }
    const [, model = '', method] =
      /^\/v1beta\/models\/([^/:]+):(generateContent|streamGenerateContent)$/.exec(request.path) ?? [];
    if (request.method !== 'POST' || method === undefined)
      return { status: 404, text: '<html>404. That’s an error.</html>' };
    const wrong = refusalOfModel(model, this.models) ?? refusalOfBody(request.json);
    if (wrong !== undefined) return wrong;
    const meaningless = refusalOfMeaning(request.json as GenerateContentBody, model, this.#issued);
    if (meaningless !== undefined) return meaningless;
    return this.#generate(model, method === 'streamGenerateContent', request);
  }

  #generate(model: string, stream: boolean, request: FakeRequest): FakeAnswer {
    const script = this.#scripts.shift() ?? HELLO;
    if (script.error !== undefined)
      return stream && isJson(script.error) ? asArray(script.error, request) : script.error;
    for (const { parts = [] } of script.pieces ?? []) {
      for (const { thoughtSignature } of parts) if (thoughtSignature !== undefined) this.#issued.add(thoughtSignature);
    }
    const head = { modelVersion: `${model}-001`, responseId: `fake${++this.#answers}` };
    if (!stream) return { json: whole(script, head) };
    if (request.query.get('alt') !== 'sse')
      return googleError(501, 'UNIMPLEMENTED', 'This fake streams with alt=sse only.');
    return streamed(script, head);
  }
}

function isJson(answer: FakeAnswer): boolean {
  return answer.json !== undefined;
}

/** Without `alt=sse` an error of a stream comes in an array. */
function asArray(error: FakeAnswer, request: FakeRequest): FakeAnswer {
  return request.query.get('alt') === 'sse' ? error : { ...error, json: [error.json] };
}

function modelObject(name: string): object {
  return {
    name: `models/${name}`,
    displayName: name,
    inputTokenLimit: 1_048_576,
    outputTokenLimit: 65_536,
    supportedGenerationMethods: ['generateContent', 'countTokens'],
  };
}

function usageOf({ thoughtTokens = 0, cachedTokens = 0 }: GeminiScript): object {
  return {
    promptTokenCount: PROMPT_TOKENS,
    candidatesTokenCount: ANSWER_TOKENS,
    ...(cachedTokens === 0 ? {} : { cachedContentTokenCount: cachedTokens }),
    ...(thoughtTokens === 0 ? {} : { thoughtsTokenCount: thoughtTokens }),
    totalTokenCount: PROMPT_TOKENS + ANSWER_TOKENS + thoughtTokens,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: PROMPT_TOKENS }],
  };
}

function candidateOf({ index = 0, parts, finish, grounding, logprobs }: GeminiPiece): object {
  return {
    ...(parts === undefined ? {} : { content: { role: 'model', parts } }),
    ...(finish === undefined ? {} : { finishReason: finish }),
    ...(grounding === undefined ? {} : { groundingMetadata: grounding }),
    ...(logprobs === undefined ? {} : { logprobsResult: logprobs }),
    index,
  };
}

/** All pieces as one answer; texts of one kind that follow each other are one part. */
function whole(script: GeminiScript, head: object): object {
  const usageMetadata = usageOf(script);
  if (script.blockReason !== undefined) {
    return { promptFeedback: { blockReason: script.blockReason }, usageMetadata, ...head };
  }
  const byIndex = new Map<number, GeminiPiece>();
  for (const piece of script.pieces ?? []) {
    const index = piece.index ?? 0;
    const earlier = byIndex.get(index);
    const parts = [...(earlier?.parts ?? []), ...(piece.parts ?? [])];
    byIndex.set(index, { ...earlier, ...piece, parts: joinTexts(parts) });
  }
  const candidates = [...byIndex.values()].sort((a, b) => (a.index ?? 0) - (b.index ?? 0)).map(candidateOf);
  return { candidates, usageMetadata, ...head };
}

function joinTexts(parts: readonly GeminiAnswerPart[]): readonly GeminiAnswerPart[] {
  const joined: Record<string, unknown>[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    const isText = typeof part.text === 'string' && part.thoughtSignature === undefined;
    if (
      isText &&
      typeof last?.text === 'string' &&
      last.thoughtSignature === undefined &&
      last.thought === part.thought
    ) {
      last.text += part.text as string;
    } else joined.push({ ...part });
  }
  return joined;
}

/** Google ends the lines of its events with CR LF. */
function event(data: object): string {
  return `data: ${JSON.stringify(data)}\r\n\r\n`;
}

function streamed(script: GeminiScript, head: object): FakeAnswer {
  const usageMetadata = usageOf(script);
  const { blockReason, pieces = [], cutAfter, ending = 'cut' } = script;
  if (blockReason !== undefined)
    return { stream: [event({ promptFeedback: { blockReason }, usageMetadata, ...head })] };
  const events = pieces.map((piece) => event({ candidates: [candidateOf(piece)], usageMetadata, ...head }));
  if (cutAfter === undefined) return { stream: events };
  const sent = events.slice(0, cutAfter);
  if (typeof ending === 'object') return { stream: [...sent, event(ending.errorInStream)] };
  return { stream: sent, ending };
}
