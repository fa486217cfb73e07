import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { FakeClock } from '../testing/fake-clock.js';
import { fetchJson, fetchResponse } from './control-fetch.js';
import { RawWorker, sendTo } from './raw-worker.fixture.js';
import { HttpUpstreamClient } from './upstream-client.js';

let client: HttpUpstreamClient;
let worker: RawWorker;
let answer: string;

beforeEach(async () => {
  client = new HttpUpstreamClient({ clock: new FakeClock() });
  worker = await new RawWorker((connection) => connection.write(answer)).listen();
});

afterEach(async () => {
  client.closeAll();
  await worker.close();
});

const ok = (body: string): string => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

test('a GET with headers and query comes back whole', async () => {
  answer = 'HTTP/1.1 404 Not Found\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n2\r\npe\r\n0\r\n\r\n';
  const response = await fetchResponse(client, `${worker.url}/a/b?c=d`, { headers: { authorization: 'Bearer k' } });
  assert.equal(response.status, 404);
  assert.equal(response.headers.get('x-a'), '1');
  assert.equal(response.body.toString(), 'nope');
  assert.match(worker.requests[0] ?? '', /^GET \/a\/b\?c=d HTTP\/1\.1\r\n/);
  assert.match(worker.requests[0] ?? '', /\r\nauthorization: Bearer k\r\n/);
});

test('JSON is parsed, anything else refused; other statuses are answers without a value', async () => {
  answer = ok('{"a":[1]}');
  assert.deepEqual((await fetchJson(client, worker.url)).value, { a: [1] });
  answer = 'HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\n{}';
  const { status, value } = await fetchJson(client, worker.url);
  assert.deepEqual([status, value], [500, undefined]);
  for (const body of ['', '{', '<html>']) {
    answer = ok(body);
    await assert.rejects(fetchJson(client, worker.url), { code: 'upstream_protocol_error', details: 'invalid_json' });
  }
});

test('an answer without a body or with trailers is an answer', async () => {
  answer = 'HTTP/1.1 204 No Content\r\n\r\n';
  assert.equal((await fetchResponse(client, worker.url)).body.length, 0);
  answer = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: y\r\n\r\n';
  assert.equal((await fetchResponse(client, worker.url)).body.toString(), 'a');
});

test('what takes too long, or is too long, is given up and the connection closed', async () => {
  answer = 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc';
  const url = worker.url;
  await assert.rejects(fetchResponse(client, url, { timeoutMs: 30 }), { code: 'upstream_timeout' });
  assert.equal(client.counts(url).open, 0);
  answer = ok('0123456789');
  assert.equal((await fetchResponse(client, url, { maxBytes: 10 })).body.length, 10);
  await assert.rejects(fetchResponse(client, url, { maxBytes: 9 }), { code: 'upstream_response_too_large' });
});

test('a signal ends it, also one that was aborted before', async () => {
  answer = '';
  const abort = new AbortController();
  const pending = fetchResponse(client, worker.url, { signal: abort.signal });
  setTimeout(() => abort.abort(new Error('enough')), 10);
  await assert.rejects(pending, /enough/);
  await assert.rejects(fetchResponse(client, worker.url, { signal: abort.signal }), /enough/);
  assert.equal(client.counts(worker.url).open, 0);
});

test('requests that use up the pool do not keep a probe waiting', async () => {
  answer = '';
  client.configure(worker.url, 'w', { maxConnections: 1, maxWaiting: 1, idleMs: 1_000 });
  const { exchange } = sendTo(client, worker.url);
  while (worker.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
  answer = ok('fine');
  assert.equal((await fetchResponse(client, worker.url)).body.toString(), 'fine');
  exchange.abort();
});

test('a worker that is not there rejects', async () => {
  const { url } = worker;
  await worker.close();
  await assert.rejects(fetchResponse(client, url), { code: 'upstream_connect_failed', details: 'connect_refused' });
});
