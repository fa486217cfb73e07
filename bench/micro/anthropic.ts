/**
 * What it costs to speak Anthropic's dialect to clients of chat: a streamed event from its bytes to those of the client's
 * chunk, and a request of 100 KiB from its parsed body to the bytes that go out. Run:
 * `node --import tsx bench/micro/anthropic.ts`.
 */
import {
  type BackendCall,
  type ClientApi,
  type Delta,
  type InferenceRequest,
  RequestHeaders,
} from '../../core/api/index.js';
import { readInferenceRequest } from '../../core/inference/inference-request.js';
import { JsonScanner } from '../../core/inference/json-scan.js';
import { SseSplitter } from '../../core/inference/sse-codec.js';
import chat from '../../plugins/api/chat/plugin.js';
import { AnthropicDialect } from '../../plugins/backend/anthropic/dialect.js';
import { anthropicSettingsSchema } from '../../plugins/backend/anthropic/settings.js';
import { printCases } from './run.js';

const EVENTS = 64;
const MODEL = 'claude-sonnet-4-5';
const api = chat.create({}, { onDispose: () => undefined }) as ClientApi;
const dialect = new AnthropicDialect(anthropicSettingsSchema.parse({}), { nowMs: Date.now }, { warn: () => undefined });

function requestOf(body: object): InferenceRequest {
  const bytes = Buffer.from(JSON.stringify(body));
  return readInferenceRequest(api, 'application/json', bytes, new JsonScanner()) as InferenceRequest;
}

function callOf(request: InferenceRequest): BackendCall {
  const headers = new RequestHeaders('POST', '/v1/chat/completions', '', 'https', ['authorization', 'Bearer k']);
  return { headers, request } as unknown as BackendCall;
}

const frame = (event: Record<string, unknown>): Buffer =>
  Buffer.from(`event: ${String(event.type)}\ndata: ${JSON.stringify(event)}\n\n`);
const USAGE = { input_tokens: 120, output_tokens: 1, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 };
const HEAD = [
  frame({ type: 'message_start', message: { id: 'msg_01', model: MODEL, content: [], usage: USAGE } }),
  frame({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
];
const TAIL = [
  frame({ type: 'content_block_stop', index: 0 }),
  frame({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 40 } }),
  frame({ type: 'message_stop' }),
];
const PIECE = frame({
  type: 'content_block_delta',
  index: 0,
  delta: { type: 'text_delta', text: ' a few words of an answer' },
});
const textStream = [...HEAD, ...Array.from({ length: EVENTS }, () => Buffer.from(PIECE)), ...TAIL];

/** 100 KiB in 200 messages, with ten tools. */
function largeBody(): object {
  const messages = Array.from({ length: 200 }, (_, at) => ({
    role: at % 2 === 0 ? 'user' : 'assistant',
    content: 'word '.repeat(96),
  }));
  const tools = Array.from({ length: 10 }, (_, at) => ({
    type: 'function',
    function: { name: `tool_${at}`, parameters: { type: 'object', properties: { a: { type: 'string' } } } },
  }));
  return { model: MODEL, stream: true, messages: [...messages, { role: 'user', content: 'Go on' }], tools };
}

const small = { model: MODEL, stream: true, messages: [{ role: 'user', content: 'Hi' }] };
const large = largeBody();
const smallRequest = requestOf(small);
const smallConversation = smallRequest.conversation();

/** `write`: also the client's chunks. */
function decodeAll(write: boolean): number {
  const decoder = dialect.encode(smallConversation, callOf(smallRequest)).createDecoder();
  const renderer = api.createRenderer?.(smallRequest, { responseId: 'chatcmpl-1', createdS: 1, model: MODEL });
  let written = 0;
  const emit = (made: Delta): void => {
    written += write ? (renderer?.delta(made)?.length ?? 0) : 1;
  };
  const splitter = new SseSplitter();
  for (const chunk of textStream) {
    splitter.push(chunk, ({ event, data }) => {
      if (data !== undefined) decoder.onEvent(event, data, emit);
    });
  }
  return written;
}

function readAndWrite(body: object): number {
  const conversation = api.readConversation?.(body as Record<string, unknown>, true);
  if (conversation === undefined) throw new Error('chat has no conversation');
  return Buffer.from(JSON.stringify(dialect.encode(conversation, callOf(smallRequest)).body)).length;
}

if (decodeAll(false) < EVENTS) throw new Error('nothing was decoded');
const kib = (JSON.stringify(large).length / 1024).toFixed(0);
printCases(`Anthropic: ${textStream.length} streamed events; requests of ${kib} KiB and of one word`, [
  { name: `decode ${textStream.length} events`, run: () => decodeAll(false) },
  { name: `decode ${textStream.length} events and write chat chunks`, run: () => decodeAll(true) },
  { name: 'read and write the large request', run: () => readAndWrite(large) },
  { name: 'read and write the small request', run: () => readAndWrite(small) },
]);
