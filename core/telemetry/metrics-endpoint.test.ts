import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { type HeaderMap, RequestHeaders, type ResponseHeaders } from '../api/headers.js';
import type { HttpServers, ServerStream } from '../api/http-server.js';
import { openListener } from '../listener/listener.js';
import { SystemClock } from '../server/system-clock.js';
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

  it('works over a socket, and names the address when the port is taken', async () => {
    const clock = new SystemClock();
    const servers: HttpServers = { listen: (options, accept) => openListener({ ...options, clock }, accept) };
    const store = new StatsStore();
    store.counter({ name: 'smg_x_total', help: 'x' }).with().inc();
    const server = await openMetricsEndpoint(servers, { host: '127.0.0.1', port: 0 }, store);
    try {
      const response = await fetch(`http://127.0.0.1:${server.port}/metrics`);
      assert.equal(response.status, 200);
      assert.match(await response.text(), /^smg_x_total 1$/m);
      assert.equal((await fetch(`http://127.0.0.1:${server.port}/other`)).status, 404);
    } finally {
      await server.close();
    }
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    try {
      const { port } = holder.address() as { port: number };
      const opening = openMetricsEndpoint(servers, { host: '127.0.0.1', port }, store);
      await assert.rejects(
        opening,
        new RegExp(`failed to bind metrics server on 127\\.0\\.0\\.1:${port}: .*EADDRINUSE`),
      );
    } finally {
      holder.close();
    }
  });
});
