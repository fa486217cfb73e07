import { type FakeAnswer, FakeProvider, type FakeProviderOptions, type FakeRequest } from './fake-provider.js';
import { openAiError, refusalOfBody, refusalOfKey, refusalOfMeaning, refusalOfModel } from './openai-errors.js';
import { type ChatBody, chatSchema, type EmbeddingsBody, embeddingsSchema } from './openai-schema.js';

/** A call that the fake makes. */
export interface ScriptedCall {
  readonly id: string;
  readonly name: string;
  /** JSON text; of a custom call any text. */
  readonly arguments: string;
  readonly custom?: boolean;
}

/** What the fake answers to one chat request, streamed or not as the request asks. */
export interface ChatScript {
  readonly text?: string;
  /** Thoughts shown in `reasoning_content`, as xAI and many services do; OpenAI never does. */
  readonly reasoning?: string;
  readonly refusal?: string;
  readonly calls?: readonly ScriptedCall[];
  /** Default `tool_calls` with calls, else `stop`. */
  readonly finish?: 'stop' | 'length' | 'tool_calls' | 'content_filter';
  /** Prompt tokens read from the cache, and completion tokens spent on reasoning. Default 0. */
  readonly cachedTokens?: number;
  readonly reasoningTokens?: number;
  /** Instead of an answer. */
  readonly error?: FakeAnswer;
  /** So many chunks of the stream are sent; then the connection breaks, or what `ending` says. */
  readonly cutAfter?: number;
  /** After {@link cutAfter}: `cut` (default), `end` in peace, or `hold` until the caller leaves. */
  readonly ending?: 'cut' | 'end' | 'hold';
  /** Instead of the rest of the stream after {@link cutAfter} chunks: an error in the stream. */
  readonly errorInStream?: object;
}

export interface FakeOpenAiOptions extends FakeProviderOptions {
  /** The one key that is accepted. Default `sk-test-000000000000`. */
  readonly key?: string;
  /** Default `gpt-4o-mini`, `o4-mini`, `text-embedding-3-small`. Names that begin with `o` or `gpt-5` reason. */
  readonly models?: readonly string[];
}

const PROMPT_TOKENS = 11;
const COMPLETION_TOKENS = 7;
const CREATED = 1_700_000_000;

/** OpenAI's API on the loopback: chat completions, models, embeddings. Refuses what the real one refuses. */
export class FakeOpenAi {
  readonly key: string;
  readonly models: readonly string[];
  readonly #scripts: ChatScript[] = [];
  #provider: FakeProvider | undefined = undefined;
  #answers = 0;

  private constructor(options: FakeOpenAiOptions) {
    this.key = options.key ?? 'sk-test-000000000000';
    this.models = options.models ?? ['gpt-4o-mini', 'o4-mini', 'text-embedding-3-small'];
  }

  static async start(options: FakeOpenAiOptions = {}): Promise<FakeOpenAi> {
    const fake = new FakeOpenAi(options);
    fake.#provider = await FakeProvider.start((request) => fake.#answer(request), options);
    return fake;
  }

  /** The server below it: address, authority, requests. */
  get provider(): FakeProvider {
    return this.#provider as FakeProvider;
  }

  /** Scripts of the next answers, in order. Without one: `Hello!`. */
  script(...scripts: readonly ChatScript[]): void {
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
    const answer = refusalOfKey(request, this.key) ?? this.#route(request);
    const headers = { 'x-request-id': `req_${++this.#answers}`, 'openai-processing-ms': '1', ...answer.headers };
    return { ...answer, headers };
  }

  #route(request: FakeRequest): FakeAnswer {
    switch (`${request.method} ${request.path}`) {
      case 'POST /v1/chat/completions':
        return this.#chat(request);
      case 'POST /v1/embeddings':
        return this.#embeddings(request);
      case 'GET /v1/models':
        return { json: { object: 'list', data: this.models.map(modelObject) } };
      default: {
        const model = request.method === 'GET' ? /^\/v1\/models\/([^/]+)$/.exec(request.path)?.[1] : undefined;
        if (model !== undefined) return refusalOfModel(model, this.models) ?? { json: modelObject(model) };
        return openAiError(404, `Invalid URL (${request.method} ${request.path})`);
      }
    }
  }

  #chat(request: FakeRequest): FakeAnswer {
    const refused = refusalOfBody(chatSchema, request);
    if (refused !== undefined) return refused;
    const body = request.json as ChatBody;
    const reasons = /^(?:o\d|gpt-5)/.test(body.model);
    const wrong = refusalOfModel(body.model, this.models) ?? refusalOfMeaning(body, reasons);
    if (wrong !== undefined) return wrong;
    const script = this.#scripts.shift() ?? { text: 'Hello!' };
    if (script.error !== undefined) return script.error;
    const id = `chatcmpl-fake${this.#answers + 1}`;
    return body.stream === true ? streamed(id, body, script) : collected(id, body, script);
  }

  #embeddings(request: FakeRequest): FakeAnswer {
    const refused = refusalOfBody(embeddingsSchema, request);
    if (refused !== undefined) return refused;
    const body = request.json as EmbeddingsBody;
    const wrong = refusalOfModel(body.model, this.models);
    if (wrong !== undefined) return wrong;
    const { input, dimensions = 4 } = body;
    const count = Array.isArray(input) && typeof input[0] !== 'number' ? input.length : 1;
    const data = Array.from({ length: count }, (_, index) => {
      const values = Array.from({ length: dimensions }, (_value, at) => (index + at + 1) / 8);
      const embedding =
        body.encoding_format === 'base64' ? Buffer.from(new Float32Array(values).buffer).toString('base64') : values;
      return { object: 'embedding', index, embedding };
    });
    const usage = { prompt_tokens: PROMPT_TOKENS, total_tokens: PROMPT_TOKENS };
    return { json: { object: 'list', data, model: body.model, usage } };
  }
}

function modelObject(id: string): object {
  return { id, object: 'model', created: CREATED, owned_by: 'openai' };
}

/** The dated name under which OpenAI answers for an alias. */
function servedModel(model: string): string {
  return `${model}-2025-01-01`;
}

function usageOf(script: ChatScript): object {
  return {
    prompt_tokens: PROMPT_TOKENS,
    completion_tokens: COMPLETION_TOKENS,
    total_tokens: PROMPT_TOKENS + COMPLETION_TOKENS,
    prompt_tokens_details: { cached_tokens: script.cachedTokens ?? 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: script.reasoningTokens ?? 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

function finishOf(script: ChatScript): string {
  return script.finish ?? (script.calls === undefined ? 'stop' : 'tool_calls');
}

function collected(id: string, body: ChatBody, script: ChatScript): FakeAnswer {
  const message = {
    role: 'assistant',
    content: script.text ?? null,
    ...(script.reasoning === undefined ? {} : { reasoning_content: script.reasoning }),
    refusal: script.refusal ?? null,
    annotations: [],
    ...(script.calls === undefined ? {} : { tool_calls: script.calls.map(callObject) }),
  };
  const choices = Array.from({ length: body.n ?? 1 }, (_, index) => ({
    index,
    message,
    logprobs: null,
    finish_reason: finishOf(script),
  }));
  return {
    json: {
      id,
      object: 'chat.completion',
      created: CREATED,
      model: servedModel(body.model),
      choices,
      usage: usageOf(script),
      service_tier: 'default',
      system_fingerprint: 'fp_fake',
    },
  };
}

function callObject({ id, name, arguments: text, custom }: ScriptedCall): object {
  if (custom === true) return { id, type: 'custom', custom: { name, input: text } };
  return { id, type: 'function', function: { name, arguments: text } };
}

function streamed(id: string, body: ChatBody, script: ChatScript): FakeAnswer {
  const withUsage = body.stream_options?.include_usage === true;
  const head = {
    id,
    object: 'chat.completion.chunk',
    created: CREATED,
    model: servedModel(body.model),
    service_tier: 'default',
    system_fingerprint: 'fp_fake',
  };
  const event = (fields: object): string => `data: ${JSON.stringify({ ...head, ...fields })}\n\n`;
  const chunk = (index: number, delta: object, finish: string | null = null): string =>
    event({
      choices: [{ index, delta, logprobs: null, finish_reason: finish }],
      ...(withUsage ? { usage: null } : {}),
    });
  const events: string[] = [];
  for (let index = 0; index < (body.n ?? 1); index++) {
    events.push(chunk(index, { role: 'assistant', content: '', refusal: null }));
    for (const delta of deltasOf(script)) events.push(chunk(index, delta));
    events.push(chunk(index, {}, finishOf(script)));
  }
  if (withUsage) events.push(event({ choices: [], usage: usageOf(script) }));
  events.push('data: [DONE]\n\n');
  const { cutAfter, errorInStream, ending = 'cut' } = script;
  if (cutAfter === undefined) return { stream: events };
  const begun = events.slice(0, cutAfter);
  if (errorInStream === undefined) return { stream: begun, ending };
  return { stream: [...begun, `data: ${JSON.stringify({ error: errorInStream })}\n\n`] };
}

function deltasOf(script: ChatScript): object[] {
  const deltas: object[] = pieces(script.reasoning ?? '').map((text) => ({ reasoning_content: text }));
  deltas.push(...pieces(script.text ?? '').map((content) => ({ content })));
  deltas.push(...pieces(script.refusal ?? '').map((refusal) => ({ refusal })));
  for (const [index, { id, name, arguments: text, custom }] of (script.calls ?? []).entries()) {
    const part = (fields: object): object => (custom === true ? { custom: fields } : { function: fields });
    const key = custom === true ? 'input' : 'arguments';
    const type = custom === true ? 'custom' : 'function';
    deltas.push({ tool_calls: [{ index, id, type, ...part({ name, [key]: '' }) }] });
    for (const piece of pieces(text)) deltas.push({ tool_calls: [{ index, ...part({ [key]: piece }) }] });
  }
  return deltas;
}

/** Cut as a tokenizer might: before blanks and punctuation. */
function pieces(text: string): string[] {
  return text.match(/[^\w]?\w*/g)?.filter((piece) => piece !== '') ?? [];
}
