import { FAKE_ANTHROPIC_KEY, FakeAnthropic } from '../../fakes/fake-anthropic.js';
import { FakeGemini, type GeminiAnswerPart, type GeminiPiece } from '../../fakes/fake-gemini.js';
import { FakeOpenAi } from '../../fakes/fake-openai.js';
import type { FakeAnswer, FakeProvider } from '../../fakes/fake-provider.js';
import { googleError } from '../../fakes/gemini-errors.js';
import { openAiError } from '../../fakes/openai-errors.js';
import { seenInChat, seenInGemini, seenInMessages } from './seen.js';
import type { ErrorKind, MatrixWorker, Reply, Seen } from './worker.js';

type Json = Readonly<Record<string, unknown>>;

/** Events that are sent of a stream that does not end. */
const BEGINNING = 4;

/** What all fakes have in common. */
function worker(
  fake: { readonly provider: FakeProvider; close(): Promise<void> },
  key: string,
  models: readonly string[],
  seenIn: (body: Json) => Seen,
  rest: Pick<MatrixWorker, 'name' | 'model' | 'models' | 'servedModel' | 'tells' | 'reply'>,
): MatrixWorker {
  const { provider } = fake;
  const { name } = rest;
  return {
    ...rest,
    scripted: true,
    statuses: {},
    cluster: `{ name: ${name}, provider: ${name}, health: off, tls: { ca: $file:${name}.pem }, workers: [{ url: "${provider.url}", api_key: "${key}", models: [${models.join(', ')}] }] }`,
    files: { [`${name}.pem`]: provider.ca },
    seen: () => seenIn(provider.lastRequest.json as Json),
    asked: () => provider.requests.length,
    aborted: () => provider.aborted,
    inFlight: () => provider.inFlight,
    close: () => fake.close(),
  };
}

const OPENAI_ERRORS: Readonly<Record<ErrorKind, FakeAnswer>> = {
  bad_request: openAiError(400, 'No.'),
  not_found: openAiError(404, 'The model does not exist.', 'model_not_found'),
  rate_limit: openAiError(429, 'Slow down.', 'rate_limit_exceeded', null, 'requests'),
  overloaded: openAiError(503, 'The engine is currently overloaded.', null, null, 'server_error'),
};

/** OpenAI, or xAI, which differs in keys, models and in that it shows its thoughts. */
export async function startOpenAiWorker(name: 'openai' | 'xai'): Promise<MatrixWorker> {
  const [key, model, reasoning] =
    name === 'openai' ? ['sk-proj-matrix-000000', 'gpt-4o-mini', 'o4-mini'] : ['xai-matrix-000000', 'grok-4', 'grok-4'];
  const models = [...new Set([model, reasoning])];
  const fake = await FakeOpenAi.start({ key, models });
  return worker(fake, key, models, seenInChat, {
    name,
    model,
    models: { reasoning },
    servedModel: (asked) => `${asked}-2025-01-01`,
    tells: { reasoning: name === 'xai', matchedStop: false },
    reply: async ({ text, reasoning: thoughts, calls, cachedTokens, error, ending }) => {
      fake.unscript();
      fake.script({
        ...(text === undefined ? {} : { text }),
        ...(thoughts === undefined || name === 'openai' ? {} : { reasoning: thoughts }),
        ...(thoughts === undefined ? {} : { reasoningTokens: 3 }),
        ...(calls === undefined
          ? {}
          : { calls: calls.map((call) => ({ ...call, arguments: JSON.stringify(call.input) })) }),
        ...(cachedTokens === undefined ? {} : { cachedTokens }),
        ...(error === undefined ? {} : { error: OPENAI_ERRORS[error] }),
        ...(ending === undefined ? {} : { ending, cutAfter: BEGINNING }),
      });
    },
  });
}

const ANTHROPIC_ERRORS: Readonly<Record<ErrorKind, { status: number; type: string; message: string }>> = {
  bad_request: { status: 400, type: 'invalid_request_error', message: 'No.' },
  not_found: { status: 404, type: 'not_found_error', message: 'model: x' },
  rate_limit: { status: 429, type: 'rate_limit_error', message: 'Slow down.' },
  overloaded: { status: 529, type: 'overloaded_error', message: 'Overloaded' },
};

export async function startAnthropicWorker(): Promise<MatrixWorker> {
  const fake = await FakeAnthropic.start();
  const model = 'claude-opus-4-6';
  return worker(fake, FAKE_ANTHROPIC_KEY, [model], seenInMessages, {
    name: 'anthropic',
    model,
    models: {},
    servedModel: (asked) => asked,
    tells: { reasoning: true, matchedStop: true },
    reply: async ({ text, reasoning, signature, calls, matchedStop, cachedTokens, error, ending }) => {
      const content = [
        ...(reasoning === undefined ? [] : [{ type: 'thinking', thinking: reasoning, signature: signature ?? 'c2ln' }]),
        ...(text === undefined ? [] : [{ type: 'text', text }]),
        ...(calls ?? []).map((call) => ({ type: 'tool_use', ...call })),
      ];
      fake.script = {
        content,
        ...(matchedStop === undefined ? {} : { stop_reason: 'stop_sequence', stop_sequence: matchedStop }),
        ...(cachedTokens === undefined ? {} : { usage: { cache_read_input_tokens: cachedTokens } }),
        ...(error === undefined ? {} : { error: ANTHROPIC_ERRORS[error] }),
        ...(ending === undefined ? {} : { after: { events: BEGINNING, ending } }),
      };
    },
  });
}

const GEMINI_ERRORS: Readonly<Record<ErrorKind, FakeAnswer>> = {
  bad_request: googleError(400, 'INVALID_ARGUMENT', 'No.'),
  not_found: googleError(404, 'NOT_FOUND', 'models/x is not found.'),
  rate_limit: googleError(429, 'RESOURCE_EXHAUSTED', 'Slow down.'),
  overloaded: googleError(503, 'UNAVAILABLE', 'The model is overloaded.'),
};

/** Calls are asked of the model that signs them. */
export async function startGeminiWorker(): Promise<MatrixWorker> {
  const fake = await FakeGemini.start();
  return worker(fake, fake.key, fake.models, seenInGemini, {
    name: 'gemini',
    model: 'gemini-2.5-flash',
    models: { tools: 'gemini-3-pro-preview' },
    servedModel: (asked) => `${asked}-001`,
    tells: { reasoning: true, matchedStop: false },
    reply: async (reply) => {
      const { cachedTokens, error, ending } = reply;
      fake.unscript();
      fake.script({
        pieces: piecesOf(reply),
        ...(cachedTokens === undefined ? {} : { cachedTokens }),
        ...(error === undefined ? {} : { error: GEMINI_ERRORS[error] }),
        ...(ending === undefined ? {} : { ending, cutAfter: 2 }),
      });
    },
  });
}

function piecesOf({ text, reasoning, signature, calls = [], choices = 1 }: Reply): GeminiPiece[] {
  const parts: GeminiAnswerPart[] = [
    ...words(reasoning).map((piece) => ({ text: piece, thought: true })),
    ...words(text).map((piece) => ({ text: piece })),
    ...calls.map(({ name, input }, at) => ({
      functionCall: { name, args: input },
      ...(at === 0 ? { thoughtSignature: signature ?? 'c2lnbmF0dXJl' } : {}),
    })),
  ];
  const indices = Array.from({ length: choices }, (_, index) => index);
  return [
    ...parts.flatMap((part) => indices.map((index) => ({ index, parts: [part] }))),
    ...indices.map((index) => ({ index, parts: [], finish: 'STOP' })),
  ];
}

function words(text = ''): string[] {
  return text.match(/\S*\s*/g)?.filter((word) => word !== '') ?? [];
}
