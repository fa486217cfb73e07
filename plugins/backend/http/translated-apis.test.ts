import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BackendCall,
  type BackendSink,
  type ClientApi,
  type GatewayError,
  RequestHeaders,
  ResponseHeaders,
  type UpstreamExchange,
  type UpstreamHandler,
  type Worker,
} from '../../../core/api/index.js';
import { jsonRequest } from '../../../core/testing/index.js';
import messagesApi from '../../api/messages/plugin.js';
import { ChatDialect } from '../openai_chat/dialect.js';
import { CHAT_FLAVOURS } from '../openai_chat/flavour.js';
import { TranslatedApis } from './translated-apis.js';

const api = messagesApi.create({}, { onDispose() {} }) as ClientApi;

/** Remembers what was asked of the worker; the test plays the answers. */
class Played {
  readonly paths: string[] = [];
  readonly handlers: UpstreamHandler[] = [];
  readonly log: string[] = [];

  readonly backend = {
    type: 't',
    nativeApis: [],
    forward: (call: BackendCall, handler: UpstreamHandler): UpstreamExchange => {
      const at = this.paths.push(call.headers.path) - 1;
      this.handlers.push(handler);
      const note = (what: string) => () => void this.log.push(`${what} ${at}`);
      return { pause: note('pause'), resume: note('resume'), abort: note('abort') };
    },
    send: (call: BackendCall, sink: BackendSink): UpstreamExchange => this.backend.forward(call, sink),
  };
}

class Sink implements BackendSink {
  readonly got: string[] = [];
  error: GatewayError | undefined = undefined;
  onHeaders(headers: ResponseHeaders): void {
    this.got.push(`${headers.kind} ${headers.status}`);
  }
  onData(bytes: Buffer): void {
    this.got.push(bytes.toString());
  }
  onDelta({ kind }: Parameters<BackendSink['onDelta']>[0], endStream: boolean): void {
    this.got.push(endStream ? `${kind}.` : kind);
  }
  onTrailers(): void {}
  onError(error: GatewayError): void {
    this.error = error;
  }
}

const WORKER = { url: 'http://w' } as Worker;

function callOf(fields: object = {}): BackendCall {
  const body = { model: 'm', max_tokens: 5, messages: [{ role: 'user', content: 'Hi' }], ...fields };
  const request = jsonRequest(body, api);
  return {
    worker: WORKER,
    headers: new RequestHeaders('POST', '/v1/messages', '', 'http', ['anthropic-version', '2023-06-01']),
    request,
    timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1, requestMs: 1 },
    scope: { ended: false, own: (resource) => resource, disown() {} },
  };
}

function backendOf(played: Played, always: readonly string[] = []): TranslatedApis {
  const dialect = new ChatDialect(() => CHAT_FLAVOURS.engine, { nowMs: () => 0 });
  return new TranslatedApis(played.backend, dialect, { always, whereMissing: ['messages'] });
}

const ANSWER = Buffer.from('{"id":"x","choices":[{"message":{"content":"Yo"},"finish_reason":"stop"}]}');
const JSON_HEAD = ['content-type', 'application/json'];

function answer(played: Played, at: number): void {
  played.handlers[at]?.onHeaders(new ResponseHeaders(200, [...JSON_HEAD]), false);
  played.handlers[at]?.onData(ANSWER, true, undefined);
}

for (const status of [404, 405, 501]) {
  test(`a worker that answers ${status} is asked in chat, and from then on at once`, () => {
    const played = new Played();
    const backend = backendOf(played);
    const sink = new Sink();
    const exchange = backend.send(callOf(), sink);
    exchange.pause();
    played.handlers[0]?.onHeaders(new ResponseHeaders(status), false);
    assert.deepEqual(sink.got, []);
    assert.deepEqual(played.paths, ['/v1/messages', '/v1/chat/completions']);
    assert.deepEqual(played.log, ['pause 0', 'abort 0', 'pause 1']);
    answer(played, 1);
    assert.deepEqual(sink.got, ['deltas 200', 'start', 'content', 'finish.']);
    exchange.abort();
    assert.equal(played.log.at(-1), 'abort 1');
    backend.send(callOf(), new Sink());
    assert.equal(played.paths[2], '/v1/chat/completions');
  });
}

test('a worker whose chat fails too is asked for the endpoint again', () => {
  const played = new Played();
  const backend = backendOf(played);
  const sink = new Sink();
  backend.send(callOf(), sink);
  played.handlers[0]?.onHeaders(new ResponseHeaders(404), true);
  played.handlers[1]?.onHeaders(new ResponseHeaders(404, [...JSON_HEAD]), false);
  played.handlers[1]?.onData(Buffer.from('{"error":{"message":"no such model"}}'), true, undefined);
  assert.equal(sink.error?.code, 'model_not_found');
  backend.send(callOf(), new Sink());
  assert.equal(played.paths[2], '/v1/messages');
});

test('any other answer of the endpoint goes up as it is', () => {
  for (const status of [200, 400, 500]) {
    const played = new Played();
    const sink = new Sink();
    backendOf(played).send(callOf(), sink);
    played.handlers[0]?.onHeaders(new ResponseHeaders(status), false);
    played.handlers[0]?.onData(Buffer.from('x'), true, undefined);
    assert.deepEqual(sink.got, [`bytes ${status}`, 'x']);
    assert.equal(played.paths.length, 1);
  }
});

test('what chat cannot say is an error, not a second call', () => {
  const played = new Played();
  const sink = new Sink();
  backendOf(played).send(callOf({ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }), sink);
  played.handlers[0]?.onHeaders(new ResponseHeaders(404), true);
  assert.deepEqual([sink.error?.code, sink.error?.param], ['unsupported_tool', 'tools[0]']);
  assert.equal(played.paths.length, 1);
});

test('an api that the worker never has is not tried', () => {
  const played = new Played();
  backendOf(played, ['messages']).send(callOf(), new Sink());
  assert.deepEqual(played.paths, ['/v1/chat/completions']);
});
