import type { IncomingHttpHeaders } from 'node:http';
import { type AnthropicMessage, eventFrame, messageEvents } from './anthropic-events.js';
import { brokenRule, FAKE_MODELS } from './anthropic-rules.js';
import { countTokensBody, type MessagesBody, messagesBody } from './anthropic-schema.js';
import {
  type FakeAnswer,
  FakeProvider,
  type FakeProviderOptions,
  type FakeRequest,
  firstViolation,
  type Violation,
} from './fake-provider.js';

/** The only key that the fake knows. */
export const FAKE_ANTHROPIC_KEY = 'sk-ant-fake-0123456789';

/** What the fake answers to a request that it accepts. */
export interface AnthropicScenario {
  readonly content?: readonly Readonly<Record<string, unknown>>[];
  readonly stop_reason?: string | null;
  readonly stop_sequence?: string | null;
  readonly stop_details?: Readonly<Record<string, unknown>>;
  readonly usage?: Readonly<Record<string, unknown>>;
  /** Characters of a piece of text or input. Default 5. */
  readonly pieceLength?: number;
  /** Instead of an answer. */
  readonly error?: { readonly status: number; readonly type: string; readonly message: string };
  /** Raw body of a status, for what stands between a client and Anthropic. */
  readonly raw?: FakeAnswer;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of a stream: this many events, then what follows instead of the rest. */
  readonly after?: { readonly events: number; readonly ending: 'end' | 'cut' | 'hold' | 'error' | 'garbage' };
  /** Wait between events, ms. */
  readonly delayMs?: number;
}

export type AnthropicScript = AnthropicScenario | ((body: MessagesBody) => AnthropicScenario);

/** A fake of Anthropic's API: refuses what the real one refuses, answers what it is told to. */
export class FakeAnthropic {
  /** For the requests to come. Default: a greeting. */
  script: AnthropicScript = {};
  #provider: FakeProvider | undefined = undefined;
  #requests = 0;

  static async start(options: FakeProviderOptions = {}): Promise<FakeAnthropic> {
    const fake = new FakeAnthropic();
    fake.#provider = await FakeProvider.start((request) => fake.#answer(request), options);
    return fake;
  }

  /** The server: its address, and what it was asked. */
  get provider(): FakeProvider {
    if (this.#provider === undefined) throw new Error('the fake has not started');
    return this.#provider;
  }

  close(): Promise<void> {
    return this.provider.close();
  }

  #answer(request: FakeRequest): FakeAnswer {
    const id = `req_${++this.#requests}`;
    const { headers = {}, ...answer } = this.#checkedAnswer(request, id);
    return { ...answer, headers: { 'request-id': id, ...headers } };
  }

  #checkedAnswer(request: FakeRequest, id: string): FakeAnswer {
    const refused = checkHead(request.headers);
    if (refused !== undefined) return errorAnswer(refused.status, refused.type, refused.message, id);
    const { method, path } = request;
    if (method === 'GET' && path === '/v1/models') return { json: modelList() };
    if (method === 'POST' && path === '/v1/messages/count_tokens') return countTokens(request, id);
    if (method === 'POST' && path === '/v1/messages') return this.#message(request, id);
    return errorAnswer(404, 'not_found_error', 'Not Found', id);
  }

  #message(request: FakeRequest, id: string): FakeAnswer {
    const wrong = checkMessages(request.json);
    if (wrong !== undefined) return errorAnswer(wrong.status, wrong.type, wrong.message, id);
    const body = request.json as MessagesBody;
    const scenario = typeof this.script === 'function' ? this.script(body) : this.script;
    const { error, raw, headers = {} } = scenario;
    if (raw !== undefined) return raw;
    if (error !== undefined) return { ...errorAnswer(error.status, error.type, error.message, id), headers };
    const message = messageOf(scenario, body, this.#requests);
    return body.stream === true
      ? { ...streamOf(message, scenario), headers }
      : { ...wholeOf(message, scenario), headers };
  }
}

function messageOf(scenario: AnthropicScenario, body: MessagesBody, count: number): AnthropicMessage {
  const { content = [{ type: 'text', text: 'Hello from Claude.' }], stop_details } = scenario;
  const calls = content.some(({ type }) => type === 'tool_use');
  return {
    id: `msg_${count}`,
    type: 'message',
    role: 'assistant',
    model: body.model,
    content,
    stop_reason: scenario.stop_reason === undefined ? (calls ? 'tool_use' : 'end_turn') : scenario.stop_reason,
    stop_sequence: scenario.stop_sequence ?? null,
    ...(stop_details === undefined ? {} : { stop_details }),
    usage: { input_tokens: 10, output_tokens: 20, service_tier: 'standard', ...scenario.usage },
  };
}

/** A whole answer that is cut, or held, is so in its middle. */
function wholeOf(message: AnthropicMessage, { after }: AnthropicScenario): FakeAnswer {
  if (after === undefined || after.ending === 'error') return { json: message };
  const text = JSON.stringify(message);
  if (after.ending === 'garbage') return { text: text.slice(0, -9), headers: { 'content-type': 'application/json' } };
  const head = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) };
  const stream = after.events === 0 ? [] : [text.slice(0, text.length >> 1)];
  return { stream, headers: head, ending: after.ending === 'hold' ? 'hold' : 'cut' };
}

const OVERLOADED = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };

function streamOf(message: AnthropicMessage, { after, pieceLength = 5, delayMs }: AnthropicScenario): FakeAnswer {
  const frames = messageEvents(message, pieceLength).map(eventFrame);
  const wait = delayMs === undefined ? {} : { delayMs };
  if (after === undefined) return { stream: frames, ...wait };
  const stream = frames.slice(0, after.events);
  if (after.ending === 'error') stream.push(eventFrame(OVERLOADED));
  if (after.ending === 'garbage') stream.push('event: content_block_delta\ndata: {"type":\n\n');
  const ending = after.ending === 'cut' || after.ending === 'hold' ? after.ending : 'end';
  return { stream, ending, ...wait };
}

interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly message: string;
}

function checkHead(headers: IncomingHttpHeaders): Refusal | undefined {
  const refuse = (status: number, type: string, message: string): Refusal => ({ status, type, message });
  const bearer = headers.authorization?.replace(/^Bearer /, '');
  const key = headers['x-api-key'] ?? bearer;
  if (key === undefined) return refuse(401, 'authentication_error', 'x-api-key header is required');
  if (key !== FAKE_ANTHROPIC_KEY) return refuse(401, 'authentication_error', 'invalid x-api-key');
  const version = headers['anthropic-version'];
  if (version === undefined) return refuse(400, 'invalid_request_error', 'anthropic-version: header is required');
  if (!/^\d{4}-\d{2}-\d{2}$/.test(String(version))) {
    return refuse(400, 'invalid_request_error', `anthropic-version: "${String(version)}" is not a valid version`);
  }
  return undefined;
}

function checkMessages(body: unknown): Refusal | undefined {
  if (body === undefined) return badRequest('The request body is not valid JSON');
  const violation = firstViolation(messagesBody, body);
  if (violation !== undefined) return badRequest(inWords(violation));
  const checked = body as MessagesBody;
  const model = FAKE_MODELS[checked.model];
  if (model === undefined) return { status: 404, type: 'not_found_error', message: `model: ${checked.model}` };
  const broken = brokenRule(checked, model);
  return broken === undefined ? undefined : badRequest(broken);
}

function badRequest(message: string): Refusal {
  return { status: 400, type: 'invalid_request_error', message };
}

/** How Anthropic words what is wrong with a field. */
function inWords({ kind, path, expected, found, bound }: Violation): string {
  const at = path.join('.');
  switch (kind) {
    case 'unknown':
      return `${at}: Extra inputs are not permitted`;
    case 'missing':
      return `${at}: Field required`;
    case 'value':
      return `${at}: Input should be ${expected.map((value) => `'${value}'`).join(' or ')}`;
    case 'range':
      return `${at}: Input should be ${bound?.side === 'min' ? 'greater' : 'less'} than or equal to ${bound?.value}`;
    case 'type':
      return `${at}: Input should be a valid ${expected.join(' or ')} (${typeof found})`;
  }
}

/** About four characters are a token: enough for a fake. */
function countTokens({ json, text }: FakeRequest, id: string): FakeAnswer {
  const violation = firstViolation(countTokensBody, json);
  if (violation !== undefined) return errorAnswer(400, 'invalid_request_error', inWords(violation), id);
  return { json: { input_tokens: Math.ceil(text.length / 4) } };
}

function modelList(): object {
  const data = Object.entries(FAKE_MODELS).map(([model, { maxTokens }]) => ({
    type: 'model',
    id: model,
    display_name: model,
    created_at: '2025-01-01T00:00:00Z',
    max_tokens: maxTokens,
  }));
  return { data, has_more: false, first_id: data[0]?.id, last_id: data.at(-1)?.id };
}

function errorAnswer(status: number, type: string, message: string, id: string): FakeAnswer {
  return { status, json: { type: 'error', error: { type, message }, request_id: id } };
}
