import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BackendCall,
  type BackendSink,
  GatewayError,
  type InferenceRequest,
  RequestHeaders,
  type UpstreamClient,
  type UpstreamExchange,
  type UpstreamHandler,
  type UpstreamRequest,
  type Worker,
} from '../../../core/api/index.js';
import { FakeClock } from '../../../core/testing/index.js';
import openaiCompatible from '../openai_compatible/plugin.js';
import sglangHttp from '../sglang_http/plugin.js';
import vllmHttp from '../vllm_http/plugin.js';
import { HttpBackend } from './http-backend.js';

const TIMEOUTS = { connectMs: 1, firstByteMs: 2, idleMs: 3, requestMs: 4 };
const EXCHANGE: UpstreamExchange = { pause() {}, resume() {}, abort() {} };
const SINK: BackendSink = { onHeaders() {}, onData() {}, onDelta() {}, onTrailers() {}, onError() {} };

/** Remembers what it was asked to send. */
class RecordingClient implements UpstreamClient {
  request: UpstreamRequest | undefined = undefined;
  handler: UpstreamHandler | undefined = undefined;

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamExchange {
    this.request = request;
    this.handler = handler;
    return EXCHANGE;
  }
}

function createCall(url: string, path: string, request?: Partial<InferenceRequest>): BackendCall {
  const headers = new RequestHeaders('POST', path, 'gateway.test', 'http', ['authorization', 'Bearer k']);
  return {
    worker: { url } as Worker,
    headers,
    request: request as InferenceRequest | undefined,
    timeouts: TIMEOUTS,
    scope: { ended: false, own: (resource) => resource, disown() {} },
  };
}

function sendAndRecord(call: BackendCall, client = new RecordingClient()): UpstreamRequest {
  const backend = new HttpBackend({ type: 't', nativeApis: [], missingApis: ['generate'] }, client);
  assert.equal(backend.send(call, SINK), EXCHANGE);
  assert.equal(client.handler, SINK);
  return client.request as UpstreamRequest;
}

test('sends the same bytes with their media type', () => {
  const bytes = Buffer.from('{"model":"é"}');
  const request = { api: 'chat', contentType: 'application/json; charset=utf-8', bytes: () => bytes };
  const sent = sendAndRecord(createCall('http://10.0.0.1:8000', '/v1/chat/completions?x=1', request));
  assert.equal(sent.body, bytes);
  assert.equal(sent.url, 'http://10.0.0.1:8000');
  assert.equal(sent.timeouts, TIMEOUTS);
  assert.equal(sent.headers.method, 'POST');
  assert.equal(sent.headers.path, '/v1/chat/completions?x=1');
  assert.equal(sent.headers.authority, '');
  assert.deepEqual(sent.headers.flat, ['authorization', 'Bearer k', 'content-type', 'application/json; charset=utf-8']);
});

test('a call without a body has no media type', () => {
  const sent = sendAndRecord(createCall('http://10.0.0.1:8000', '/get_server_info'));
  assert.equal(sent.body, undefined);
  assert.deepEqual(sent.headers.flat, ['authorization', 'Bearer k']);
});

for (const [url, path, origin, full] of [
  ['http://h:8000', '/v1/chat/completions', 'http://h:8000', '/v1/chat/completions'],
  ['http://h:8000/llm', '/v1/chat/completions', 'http://h:8000', '/llm/v1/chat/completions'],
  ['https://h/openai/v1', '/v1/embeddings?a=b', 'https://h', '/openai/v1/embeddings?a=b'],
  ['https://h/v1', '/generate', 'https://h', '/generate'],
  ['http://[::1]:8000', '/rerank', 'http://[::1]:8000', '/rerank'],
] as const) {
  test(`${url} and ${path} make ${origin}${full}`, () => {
    const sent = sendAndRecord(createCall(url, path));
    assert.equal(sent.url, origin);
    assert.equal(sent.headers.path, full);
  });
}

test('an api that the engine lacks is refused before anything is sent', () => {
  const client = new RecordingClient();
  const call = createCall('http://h', '/generate', { api: 'generate', contentType: 'application/json' });
  assert.throws(
    () => sendAndRecord(call, client),
    (error) => GatewayError.is(error) && error.code === 'endpoint_not_supported' && !error.message.includes('http'),
  );
  assert.equal(client.request, undefined);
});

const lifetime = { onDispose() {} };

test('the definitions of engines differ in /generate only', async () => {
  const create = [
    () =>
      openaiCompatible.create(
        openaiCompatible.configSchema.parse({}),
        lifetime,
        new RecordingClient(),
        new FakeClock(),
      ),
    () => sglangHttp.create(sglangHttp.configSchema.parse({}), lifetime, new RecordingClient(), new FakeClock()),
    () => vllmHttp.create(vllmHttp.configSchema.parse({}), lifetime, new RecordingClient(), new FakeClock()),
  ];
  const types = create.map(async (one) => {
    const backend = await one();
    assert.ok(backend.nativeApis.includes('chat'));
    return [backend.type, backend.nativeApis.includes('generate')];
  });
  assert.deepEqual(await Promise.all(types), [
    ['openai_compatible', true],
    ['sglang_http', true],
    ['vllm_http', false],
  ]);
});
