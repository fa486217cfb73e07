/**
 * What it costs to speak Gemini's dialect: a streamed event from its bytes to its delta, and a request of 100 KiB from its
 * parsed body to the bytes that go out. Run: `node --import tsx bench/micro/gemini.ts`.
 */
import {
  type BackendCall,
  type ClientApi,
  type Clock,
  type InferenceRequest,
  RequestHeaders,
} from '../../core/api/index.js';
import { SseSplitter } from '../../core/inference/sse-codec.js';
import chat from '../../plugins/api/chat/plugin.js';
import { createGeminiDialect } from '../../plugins/backend/gemini/dialect.js';
import { configSchema } from '../../plugins/backend/gemini/settings.js';
import { printCases } from './run.js';

const EVENTS = 64;
const api = chat.create({}, { onDispose: () => undefined }) as ClientApi;
const dialect = createGeminiDialect(configSchema.parse({}), {
  clock: { nowMs: Date.now, monotonicMs: () => performance.now() } as Clock,
});
const call = {
  headers: new RequestHeaders('POST', '/v1/chat/completions', '', 'https', []),
  request: { model: 'gemini-2.5-flash' } as InferenceRequest,
} as unknown as BackendCall;

/** As Gemini sends them: every event carries ids and counts. */
function event(text: string, finish: boolean): string {
  const candidate = {
    content: { parts: [{ text }], role: 'model' },
    ...(finish ? { finishReason: 'STOP' } : {}),
    index: 0,
  };
  const usageMetadata = {
    promptTokenCount: 120,
    candidatesTokenCount: 40,
    totalTokenCount: 160,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: 120 }],
  };
  const answer = {
    candidates: [candidate],
    usageMetadata,
    modelVersion: 'gemini-2.5-flash',
    responseId: 'u3xQaPj1N5GX',
  };
  return `data: ${JSON.stringify(answer)}\r\n\r\n`;
}

const stream = Array.from({ length: EVENTS }, (_, at) =>
  Buffer.from(event(' a few words of an answer', at === EVENTS - 1)),
);

/** 100 KiB in 200 messages, with ten tools. */
function largeBody(): Record<string, unknown> {
  const messages = Array.from({ length: 200 }, (_, at) => ({
    role: at % 2 === 0 ? 'user' : 'assistant',
    content: 'word '.repeat(96),
  }));
  const tools = Array.from({ length: 10 }, (_, at) => ({
    type: 'function',
    function: { name: `tool_${at}`, parameters: { type: 'object', properties: { a: { type: 'string' } } } },
  }));
  return { model: 'gemini-2.5-flash', stream: true, messages, tools };
}

const body = largeBody();
const small = { model: 'gemini-2.5-flash', stream: true, messages: [{ role: 'user', content: 'Hi' }] };
const bytes = JSON.stringify(body).length;

function decodeAll(): number {
  const conversation = readConversation(small);
  const decoder = dialect.encode(conversation, call).createDecoder();
  let deltas = 0;
  const emit = (): void => {
    deltas++;
  };
  const splitter = new SseSplitter();
  for (const chunk of stream) {
    splitter.push(chunk, ({ event: name, data }) => {
      if (data !== undefined) decoder.onEvent(name, data, emit);
    });
  }
  decoder.onEnd(emit);
  return deltas;
}

function readConversation(from: Record<string, unknown>) {
  if (api.readConversation === undefined) throw new Error('chat has no conversation');
  return api.readConversation(from, true);
}

const encodeAll = (from: Record<string, unknown>) => () =>
  Buffer.from(JSON.stringify(dialect.encode(readConversation(from), call).body)).length;

if (decodeAll() < EVENTS) throw new Error('nothing was decoded');
printCases(`Gemini: ${EVENTS} streamed events; requests of ${(bytes / 1024).toFixed(0)} KiB and of one word`, [
  { name: `decode ${EVENTS} events`, run: decodeAll },
  { name: 'read and write the large request', run: encodeAll(body) },
  { name: 'read and write the small request', run: encodeAll(small) },
]);
