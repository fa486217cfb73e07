import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request as httpsRequest, type RequestOptions } from 'node:https';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { createTestAuthority, type TestCertificate } from '../../core/testing/test-certificates.js';

const CHAT = '/v1/chat/completions';
const authority = createTestAuthority();
const engine = authority.issue({ name: 'engine' });
const closers: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

/** An HTTPS engine that wants a client certificate, and tells who called which path. */
interface Engine {
  readonly url: string;
  /** `<name of the client> <path>`, in order. */
  readonly calls: string[];
  /** Lets a held stream go on. */
  release(): void;
}

async function startEngine(): Promise<Engine> {
  const calls: string[] = [];
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const onRequest = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const client = nameOf(request.socket as TLSSocket);
    calls.push(`${client} ${request.url}`);
    let body = '';
    for await (const chunk of request) body += String(chunk);
    if (request.url === '/v1/models') {
      response.setHeader('content-type', 'application/json').end('{"object":"list","data":[{"id":"m"}]}');
    } else if (request.url !== CHAT) {
      response.end('{}');
    } else {
      response.setHeader('content-type', 'text/event-stream');
      response.write(`data: {"choices":[{"index":0,"delta":{"content":"${client}"}}]}\n\n`);
      if (body.includes('hold')) await released;
      response.end('data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n');
    }
  };
  const server = createServer({ ...engine, ca: authority.cert, requestCert: true, rejectUnauthorized: true });
  server.on('request', (request, response) => void onRequest(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.closeAllConnections();
    return once(server.close(), 'close');
  });
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, calls, release: () => release() };
}

function nameOf(socket: TLSSocket): string {
  return /CN=(.*)/.exec(socket.getPeerX509Certificate()?.subject ?? '')?.[1] ?? 'nobody';
}

async function start(yaml: string, files: Record<string, string>): Promise<GatewayFixture> {
  const gateway = await startGateway(yaml, { files });
  closers.push(() => gateway.close());
  return gateway;
}

interface Reply {
  readonly status: number;
  /** Name in the certificate that the gateway showed; `nobody` in clear text. */
  readonly server: string;
  readonly body: Promise<string>;
}

/** Resolves with the head of the answer. */
async function chat(gateway: GatewayFixture, content: string, tls?: RequestOptions): Promise<Reply> {
  const text = JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content }] });
  if (tls === undefined) {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(gateway.url + CHAT, { method: 'POST', headers, body: text });
    return { status: response.status, server: 'nobody', body: response.text() };
  }
  const headers = { 'content-type': 'application/json', 'content-length': text.length };
  const options = { host: '127.0.0.1', port: gateway.port, path: CHAT, method: 'POST', agent: false, headers, ...tls };
  const request = httpsRequest(options).end(text);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const server = nameOf(response.socket as TLSSocket);
  return { status: response.statusCode ?? 0, server, body: collect(response) };
}

async function collect(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return text;
}

describe('TLS to workers', () => {
  const cluster = (engineUrl: string, tls: string): string =>
    `clusters: [{ name: c, workers: ["${engineUrl}"], tls: ${tls}, health: { every: 100ms } }]
resilience: { retry: { attempts: 2, backoff: { initial: 1ms, max: 1ms } } }`;
  const files = (client: TestCertificate): Record<string, string> => ({
    'ca.pem': authority.cert,
    'client.pem': client.cert,
    'client.key': client.key,
  });
  const MUTUAL = '{ ca: $file:ca.pem, cert: $file:client.pem, key: $file:client.key }';

  it('is used by probes, discovery, information and requests alike', async () => {
    const worker = await startEngine();
    const gateway = await start(cluster(worker.url, MUTUAL), files(authority.issue({ name: 'gateway' })));
    const reply = await chat(gateway, 'hi');
    assert.equal(reply.status, 200);
    assert.match(await reply.body, /"content":"gateway"[\s\S]*\[DONE\]/);
    assert.equal((await fetch(`${gateway.url}/get_server_info`)).status, 200);
    for (const path of ['/health', '/v1/models', CHAT, '/get_server_info']) {
      assert.ok(worker.calls.includes(`gateway ${path}`), path);
    }
  });

  it('carries many requests at once, which share connections', async () => {
    const worker = await startEngine();
    const gateway = await start(cluster(worker.url, MUTUAL), files(authority.issue({ name: 'gateway' })));
    const replies = await Promise.all(Array.from({ length: 40 }, () => chat(gateway, 'hi')));
    for (const reply of replies) assert.match(await reply.body, /"content":"gateway"[\s\S]*\[DONE\]/);
  });

  it('without the certificate that a worker wants, or with an unknown authority, fails as 502', async () => {
    const worker = await startEngine();
    const own = authority.issue({ name: 'gateway' });
    for (const [tls, ca] of [
      ['{ ca: $file:ca.pem }', authority.cert],
      [MUTUAL, createTestAuthority('strangers').cert],
    ] as const) {
      const models = cluster(worker.url, tls).replace('{ every: 100ms }', 'off, models: [m]');
      const gateway = await start(models, { ...files(own), 'ca.pem': ca });
      const reply = await chat(gateway, 'hi');
      assert.equal(reply.status, 502);
      const text = await reply.body;
      assert.match(text, /upstream_(?:connect_failed|reset)/);
      assert.doesNotMatch(text, /127\.0\.0\.1|certificate|BEGIN/i);
    }
    assert.deepEqual(worker.calls, []);
  });

  it('takes a new client certificate for new connections while a stream runs on the old one', async () => {
    const worker = await startEngine();
    const yaml = cluster(worker.url, MUTUAL);
    const gateway = await start(yaml, files(authority.issue({ name: 'before' })));
    const running = await chat(gateway, 'hold');
    const renewed = authority.issue({ name: 'after' });
    await writeFile(join(gateway.dir, 'client.pem'), renewed.cert);
    await writeFile(join(gateway.dir, 'client.key'), renewed.key);
    const result = await gateway.reload(yaml);
    assert.deepEqual(result, { ok: true, changes: ['cluster "c" changed'] });
    assert.match(await (await chat(gateway, 'hi')).body, /"content":"after"/);
    worker.release();
    assert.match(await running.body, /"content":"before"[\s\S]*\[DONE\]/);
    assert.equal(gateway.server.generationCount, 1);
  });

  it('leaves a worker removed that an administrator took out, though its certificate is renewed', async () => {
    const worker = await startEngine();
    const yaml = cluster(worker.url, MUTUAL);
    const gateway = await start(yaml, files(authority.issue()));
    const list = async (): Promise<{ id: string }[]> =>
      ((await (await fetch(`${gateway.url}/workers`)).json()) as { workers: { id: string }[] }).workers;
    const [known] = await list();
    await fetch(`${gateway.url}/workers/${known?.id}?wait=true&drain=force`, { method: 'DELETE' });
    assert.deepEqual(await list(), []);
    const renewed = authority.issue();
    await writeFile(join(gateway.dir, 'client.pem'), renewed.cert);
    await writeFile(join(gateway.dir, 'client.key'), renewed.key);
    assert.equal((await gateway.reload(yaml)).ok, true);
    assert.deepEqual(await list(), []);
  });

  it('is used for workers that are added at run time', async () => {
    const [first, second] = [await startEngine(), await startEngine()];
    const gateway = await start(cluster(first.url, MUTUAL), files(authority.issue({ name: 'gateway' })));
    const added = await fetch(`${gateway.url}/workers?wait=true`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ url: second.url }),
    });
    assert.equal(added.status, 200, await added.text());
    const clear = await fetch(`${gateway.url}/workers`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"url":"http://127.0.0.1:1"}',
    });
    assert.match(await clear.text(), /url: is clear text, but the cluster \\"c\\" has tls/);
    await gateway.reload(cluster(first.url, MUTUAL).replace(first.url, 'https://127.0.0.1:1'));
    for (let round = 0; round < 4; round++) assert.match(await (await chat(gateway, 'hi')).body, /"gateway"/);
    assert.ok(second.calls.includes(`gateway ${CHAT}`));
  });

  it('keeps the old settings when the new files do not fit together', async () => {
    const worker = await startEngine();
    const yaml = cluster(worker.url, MUTUAL);
    const gateway = await start(yaml, files(authority.issue({ name: 'good' })));
    await writeFile(join(gateway.dir, 'client.key'), authority.issue().key);
    const result = await gateway.reload(yaml);
    assert.equal(result.ok, false);
    assert.match(String((result as { error: unknown }).error), /tls\.key: does not belong to the certificate/);
    assert.match(await (await chat(gateway, 'hi')).body, /"content":"good"/);
  });
});

describe('TLS of a listener', () => {
  const yaml = (extra = '', limits = ''): string =>
    `listeners: [{ name: main, host: 127.0.0.1, port: 0, tls: { cert: $file:s.pem, key: $file:s.key${extra} }${limits} }]
clusters: [{ name: c, engine: { type: sim, config: { models: [m], ttft: 1ms, itl: 20ms, output_tokens: 20 } } }]`;

  it('changes with its files: new handshakes see the new certificate, a running stream ends', async () => {
    const [before, now] = [authority.issue({ name: 'before', days: 2 }), authority.issue({ name: 'after', days: 4 })];
    const gateway = await start(yaml(), { 's.pem': before.cert, 's.key': before.key });
    const tls = { ca: authority.cert };
    const running = await chat(gateway, 'hi', tls);
    assert.equal(running.server, 'before');
    await writeFile(join(gateway.dir, 's.pem'), now.cert);
    await writeFile(join(gateway.dir, 's.key'), now.key);
    const { port } = gateway;
    const expiry = /^smg_tls_certificate_expiry_seconds\{owner="listener:main"\} (\d+)$/m;
    const previous = Number(expiry.exec(await gateway.metricsText())?.[1]);
    assert.equal((await gateway.reload(yaml())).ok, true);
    assert.ok(Number(expiry.exec(await gateway.metricsText())?.[1]) > previous + 86_400);
    assert.deepEqual(
      gateway.server.addresses.map((address) => address.port),
      [port],
    );
    const next = await chat(gateway, 'hi', tls);
    assert.equal(next.server, 'after');
    assert.match(await running.body, /\[DONE\]/);
    assert.match(await next.body, /\[DONE\]/);
    assert.doesNotMatch(gateway.logText(), /PRIVATE KEY/);
  });

  it('turns away clients without a certificate from the moment on that it asks for one', async () => {
    const own = authority.issue({ name: 'server' });
    const clients = createTestAuthority('clients');
    const gateway = await start(yaml(), { 's.pem': own.cert, 's.key': own.key, 'clients.pem': clients.cert });
    const tls = { ca: authority.cert };
    const open = await chat(gateway, 'hi', tls);
    await gateway.reload(yaml(', client_ca: $file:clients.pem'));
    await assert.rejects(chat(gateway, 'hi', tls));
    await assert.rejects(chat(gateway, 'hi', { ...tls, ...createTestAuthority().issue() }));
    assert.match(await gateway.metricsText(), /^smg_tls_handshake_failures_total\{listener="main"\} 2$/m);
    const known = await chat(gateway, 'hi', { ...tls, ...clients.issue() });
    assert.match(await known.body, /\[DONE\]/);
    assert.match(await open.body, /\[DONE\]/);
  });

  it('keeps serving the old certificate when the new one is broken', async () => {
    const own = authority.issue({ name: 'server' });
    const gateway = await start(yaml(), { 's.pem': own.cert, 's.key': own.key });
    await writeFile(join(gateway.dir, 's.pem'), authority.issue().cert);
    assert.equal((await gateway.reload(yaml())).ok, false);
    const reply = await chat(gateway, 'hi', { ca: authority.cert });
    assert.equal(reply.server, 'server');
    assert.match(await reply.body, /\[DONE\]/);
  });

  it('changes limits in place: a larger head is taken by new connections', async () => {
    const own = authority.issue();
    const gateway = await start(yaml('', ', limits: { header: 1KiB }'), { 's.pem': own.cert, 's.key': own.key });
    const padding = { 'x-padding': 'x'.repeat(4000), 'content-type': 'application/json', 'content-length': 2 };
    const ask = async (): Promise<number> => {
      const options = { host: '127.0.0.1', port: gateway.port, path: CHAT, method: 'POST', agent: false };
      const request = httpsRequest({ ...options, ca: authority.cert, headers: padding }).end('{}');
      request.on('error', () => {});
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      return response.statusCode ?? 0;
    };
    assert.equal(await ask(), 431);
    await gateway.reload(yaml('', ', limits: { header: 64KiB }'));
    assert.equal(await ask(), 400);
  });
});

it('a gateway that ends closes sockets that are in their handshake', async () => {
  const own = authority.issue();
  const gateway = await startGateway(
    `listeners: [{ name: main, host: 127.0.0.1, port: 0, tls: { cert: $file:s.pem, key: $file:s.key } }]`,
    { files: { 's.pem': own.cert, 's.key': own.key } },
  );
  const silent = connectTcp(gateway.port, '127.0.0.1');
  silent.on('error', () => {});
  await once(silent, 'connect');
  assert.match(await readFile(join(gateway.dir, 's.pem'), 'utf8'), /BEGIN/);
  await gateway.close();
  if (!silent.destroyed) await once(silent, 'close');
});
