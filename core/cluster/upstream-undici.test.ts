import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createPlainServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { SystemClock } from '../server/system-clock.js';
import { fetchJson } from './control-fetch.js';
import { LONG_TIMEOUTS, sendTo } from './raw-worker.fixture.js';
import { HttpUpstreamClient } from './upstream-client.js';
import { type UpstreamTlsOptions, UpstreamTlsSettings } from './upstream-tls.js';
import { DEFAULT_POOL } from './worker-spec.js';

const folder = mkdtempSync(join(tmpdir(), 'smg-tls-'));
const certificate = makeCertificate();
const skip = certificate === undefined ? 'openssl is not installed' : false;

function makeCertificate(): { key: string; cert: string } | undefined {
  const key = join(folder, 'key.pem');
  const cert = join(folder, 'cert.pem');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const files = ['-nodes', '-days', '2', '-keyout', key, '-out', cert];
  try {
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', ...subject, ...files],
      {
        stdio: 'ignore',
      },
    );
  } catch {
    return undefined;
  }
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}

const clock = new SystemClock();
const clients: HttpUpstreamClient[] = [];
const servers: Server[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.closeAll();
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

after(() => rmSync(folder, { recursive: true }));

async function listen(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  return listen(createServer({ ...certificate }, answer));
}

async function createClient(url: string, tls: UpstreamTlsOptions = {}): Promise<HttpUpstreamClient> {
  const client = new HttpUpstreamClient({ clock, tls: { ca: certificate?.cert ?? '', ...tls } });
  clients.push(client);
  await client.prepare([url]);
  return client;
}

test('a request over TLS, its headers as given, its answer in order', { skip }, async () => {
  let seen: string[] = [];
  const url = await serve((request, response) => {
    seen = request.rawHeaders;
    request.resume().on('end', () => {
      response.writeHead(
        201,
        [
          ['x-a', '1'],
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ].flat(),
      );
      response.write('hel');
      response.end('lo');
    });
  });
  const client = await createClient(url);
  const { handler } = sendTo(client, url, { fields: ['x-b', 'c', 'connection', 'close', 'content-length', '99'] });
  await handler.ended;
  assert.equal(handler.status, 201);
  assert.equal(handler.body, 'hello');
  assert.ok(handler.complete);
  assert.deepEqual(handler.headers?.getAll('set-cookie'), ['a=1', 'b=2']);
  assert.deepEqual(
    seen
      .filter((_, index) => index % 2 === 0)
      .map((name) => name.toLowerCase())
      .sort(),
    ['connection', 'content-length', 'host', 'x-b'],
  );
  assert.equal(client.counts(url).open, 1);
});

test('the control plane takes the same way', { skip }, async () => {
  const url = await serve((_request, response) => response.end('{"data":[]}'));
  const client = await createClient(url);
  assert.deepEqual((await fetchJson(client, `${url}/v1/models`)).value, { data: [] });
});

test('HEAD, 204 and trailers end once', { skip }, async () => {
  const url = await serve((request, response) => {
    if (request.url === '/none') response.writeHead(204).end();
    else if (request.method === 'HEAD') response.writeHead(200, { 'content-length': '9' }).end();
    else {
      response.writeHead(200, { trailer: 'x-sum' });
      response.write('a');
      response.addTrailers({ 'x-sum': '1' });
      response.end();
    }
  });
  const client = await createClient(url);
  const head = await sendTo(client, url, { method: 'HEAD' }).handler.ended;
  assert.deepEqual(head.events, ['headers 200 end']);
  const none = await sendTo(client, url, { path: '/none' }).handler.ended;
  assert.deepEqual(none.events, ['headers 204 end']);
  const trailed = await sendTo(client, url).handler.ended;
  assert.deepEqual(trailed.events, ['headers 200', 'data', 'trailers end']);
  assert.deepEqual(trailed.trailers?.flat, ['x-sum', '1']);
});

test('an untrusted certificate, a closed port and a dead end are connect failures', { skip }, async () => {
  const url = await serve((_request, response) => response.end('ok'));
  const distrusting = await createClient(url, { ca: [] });
  const refused = await sendTo(distrusting, url).handler.ended;
  assert.deepEqual(refused.events, ['error upstream_connect_failed tls']);
  assert.doesNotMatch(refused.error?.message ?? '', /127\.0\.0\.1/);

  const careless = await createClient(url, { ca: [], rejectUnauthorized: false });
  assert.equal((await sendTo(careless, url).handler.ended).status, 200);

  const gone = await sendTo(careless, 'https://127.0.0.1:1').handler.ended;
  assert.deepEqual(gone.events, ['error upstream_connect_failed connect_refused']);
});

test('the worker sees an abort before and after the head', { skip }, async () => {
  for (const phase of ['waiting', 'headers', 'data']) {
    let left: () => void = () => {};
    let arrived: () => void = () => {};
    const closed = new Promise<void>((resolve) => (left = resolve));
    const waiting = new Promise<void>((resolve) => (arrived = resolve));
    const url = await serve((request, response) => {
      request.resume();
      response.on('close', left);
      arrived();
      if (phase === 'headers') response.flushHeaders();
      if (phase === 'data') response.write('x');
    });
    const client = await createClient(url);
    const { handler, exchange } = sendTo(client, url);
    await (phase === 'waiting' ? waiting : handler.until(phase));
    exchange.abort();
    exchange.abort();
    const before = handler.events.length;
    await closed;
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(handler.events.length, before);
  }
});

test('an abort while connecting calls nobody', { skip }, async () => {
  const url = await serve((_request, response) => response.end('ok'));
  const client = await createClient(url);
  const { handler, exchange } = sendTo(client, url);
  exchange.abort();
  assert.equal((await sendTo(client, url).handler.ended).status, 200);
  assert.deepEqual(handler.events, []);
});

test('resets, time limits and garbage have the errors of the plain client', { skip }, async () => {
  const url = await serve((request, response) => {
    request.resume();
    if (request.url === '/mid') {
      response.writeHead(200, { 'content-length': '9' });
      response.write('abc', () => response.destroy());
    } else if (request.url === '/stall') {
      response.write('abc');
    } else if (request.url === '/before') {
      response.destroy();
    }
  });
  const client = await createClient(url);
  const timeouts = { ...LONG_TIMEOUTS, firstByteMs: 60, idleMs: 60 };
  const events = async (path: string): Promise<string | undefined> =>
    (await sendTo(client, url, { path, timeouts }).handler.ended).events.at(-1);
  assert.match((await events('/before')) ?? '', /^error upstream_reset (closed|reset)_before_head$/);
  assert.match((await events('/mid')) ?? '', /^error upstream_reset (closed|reset)_mid_body$/);
  assert.equal(await events('/silent'), 'error upstream_timeout first_byte_timeout');
  assert.equal(await events('/stall'), 'error upstream_timeout idle_timeout');

  const garbage = await listen(
    createTlsServer({ ...certificate }, (socket) => {
      socket.once('data', () => socket.end('220 smtp ready\r\n'));
    }),
  );
  const garbled = await sendTo(await createClient(garbage), garbage).handler.ended;
  assert.deepEqual(garbled.events, ['error upstream_protocol_error http1_unparsable']);
});

test('a handshake that does not end runs into the connect limit', { skip }, async () => {
  let hangUp = (): void => {};
  const silent = createPlainServer((socket) => {
    socket.resume();
    hangUp = () => socket.destroy();
  });
  const url = await listen(silent);
  const client = await createClient(url);
  const { handler } = sendTo(client, url, { timeouts: { ...LONG_TIMEOUTS, connectMs: 30 } });
  await handler.ended;
  assert.deepEqual(handler.events, ['error upstream_timeout connect_timeout']);
  hangUp();
});

test('a paused exchange stops the worker', { skip }, async () => {
  const total = 16 * 1024 * 1024;
  const url = await serve((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-length': String(total) });
    response.end(Buffer.alloc(total, 'x'));
  });
  const client = await createClient(url);
  const { handler, exchange } = sendTo(client, url);
  await handler.until('headers');
  exchange.pause();
  exchange.pause();
  exchange.resume();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const held = handler.bytes;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(handler.bytes, held);
  assert.ok(held < total);
  exchange.resume();
  await handler.ended;
  assert.equal(handler.bytes, total);
});

test('HTTP/2 where it is allowed', { skip }, async () => {
  const versions: string[] = [];
  const answer = (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    versions.push(request.httpVersion);
    request.resume().on('end', () => response.writeHead(200, { 'x-a': '1' }).end('over it'));
  };
  const url = await listen(createSecureServer({ ...certificate, allowHTTP1: true }, answer));
  for (const allowH2 of [true, false]) {
    const client = await createClient(url, { allowH2 });
    const handler = await sendTo(client, url).handler.ended;
    assert.deepEqual([handler.status, handler.body, handler.headers?.get('x-a')], [200, 'over it', '1']);
    client.closeAll();
  }
  assert.deepEqual(versions, ['2.0', '1.1']);
});

test('an https worker that was not prepared for is a bug of ours', async () => {
  const client = new HttpUpstreamClient({ clock });
  assert.throws(() => sendTo(client, 'https://127.0.0.1:1'), /prepare/);
});

test('what is sent after its worker was removed is served, and leaves no pool behind', { skip }, async () => {
  const url = await serve((_request, response) => response.end('{}'));
  const client = await createClient(url);
  const tls = new UpstreamTlsSettings({ ca: certificate?.cert ?? '' });
  client.configure(url, 'w', { ...DEFAULT_POOL, idleMs: 50 }, tls);
  client.close(url, tls);
  const { handler } = sendTo(client, url, { tls, fields: ['connection', 'close'] });
  await handler.ended;
  assert.equal(handler.status, 200);
  assert.equal(client.origins, 1);
  while (client.origins > 0) await new Promise((resolve) => setTimeout(resolve, 5));
});
