import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type HeaderMap, RequestHeaders, type ResponseHeaders } from '../api/headers.js';
import type { HttpServers, ServerStream } from '../api/http-server.js';
import { createMetricsAcceptor, openMetricsEndpoint } from './metrics-endpoint.js';
import { StatsStore } from './stats-store.js';

class RecordingStream implements ServerStream {
  readonly protocol = 'HTTP/1.1';
  readonly remoteAddress = '127.0.0.1';
  readonly aboveHighWatermark = false;
  head: ResponseHeaders | undefined;
  body = '';
  ends = 0;

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.head = headers;
    if (endStream) this.ends++;
  }
  encodeData(bytes: Buffer, endStream: boolean): void {
    this.body += bytes.toString();
    if (endStream) this.ends++;
  }
  encodeTrailers(_trailers: HeaderMap): void {}
  reset(): void {}
  readDisable(_disable: boolean): void {}
}

function request(method: string, path: string): RecordingStream {
  const store = new StatsStore();
  store.counter({ name: 'smg_x_total', help: 'x' }).with().inc();
  const stream = new RecordingStream();
  createMetricsAcceptor(store)(stream, new RequestHeaders(method, path, 'h', 'http'), true);
  assert.equal(stream.ends, 1);
  return stream;
}

describe('metrics endpoint', () => {
  it('serves the exposition under GET /metrics, with or without a query', () => {
    for (const path of ['/metrics', '/metrics?x=1']) {
      const stream = request('GET', path);
      assert.equal(stream.head?.status, 200);
      assert.equal(stream.head.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
      assert.match(stream.body, /^smg_x_total 1$/m);
      assert.equal(stream.head.get('content-length'), String(stream.body.length));
    }
  });

  it('answers HEAD with the length and no body', () => {
    const stream = request('HEAD', '/metrics');
    assert.equal(stream.head?.status, 200);
    assert.notEqual(stream.head.get('content-length'), '0');
    assert.equal(stream.body, '');
  });

  it('refuses other paths and methods', () => {
    assert.equal(request('GET', '/').head?.status, 404);
    assert.equal(request('GET', '/metrics/x').head?.status, 404);
    const stream = request('POST', '/metrics');
    assert.equal(stream.head?.status, 405);
    assert.equal(stream.head.get('allow'), 'GET, HEAD');
  });

  it('names the address when the port cannot be bound', async () => {
    const servers: HttpServers = { listen: () => Promise.reject(new Error('EADDRINUSE')) };
    await assert.rejects(
      openMetricsEndpoint(servers, { host: '127.0.0.1', port: 29000 }, new StatsStore()),
      /failed to bind metrics server on 127\.0\.0\.1:29000: EADDRINUSE/,
    );
  });
});
