import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { inspect, isDeepStrictEqual } from 'node:util';
import { SystemClock } from '../server/system-clock.js';
import { createTestAuthority } from '../testing/test-certificates.js';
import { fetchResponse } from './control-fetch.js';
import { LONG_TIMEOUTS, sendTo } from './raw-worker.fixture.js';
import { HttpUpstreamClient } from './upstream-client.js';
import { type UpstreamTlsOptions, UpstreamTlsSettings } from './upstream-tls.js';
import { DEFAULT_POOL } from './worker-spec.js';

const authority = createTestAuthority();
const strangers = createTestAuthority('strangers');
const server = authority.issue({ name: 'engine', hosts: ['engine.internal'] });
const alice = authority.issue({ name: 'alice' });
const bob = authority.issue({ name: 'bob' });
const NAMED = { ca: [authority.cert], serverName: 'engine.internal' };

const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

interface Worker {
  readonly url: string;
  /** Names in the client certificates of the connections that were made. */
  readonly clients: string[];
}

/** An HTTPS worker that wants to know who is calling, and answers with that. */
async function startWorker(requestCert: boolean): Promise<Worker> {
  const clients: string[] = [];
  const https = createServer({ ...server, ca: authority.cert, requestCert, rejectUnauthorized: requestCert });
  https.on('secureConnection', (socket: TLSSocket) => clients.push(nameOf(socket)));
  https.on('request', (request, response) => response.end(nameOf(request.socket as TLSSocket)));
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  closers.push(() => {
    https.closeAllConnections();
    return once(https.close(), 'close');
  });
  return { url: `https://127.0.0.1:${(https.address() as AddressInfo).port}`, clients };
}

function nameOf(socket: TLSSocket): string {
  return /CN=(.*)/.exec(socket.getPeerX509Certificate()?.subject ?? '')?.[1] ?? 'nobody';
}

async function createClient(url: string): Promise<HttpUpstreamClient> {
  const client = new HttpUpstreamClient({ clock: new SystemClock() });
  closers.push(() => client.closeAll());
  await client.prepare([url]);
  return client;
}

async function ask(client: HttpUpstreamClient, url: string, tls?: UpstreamTlsSettings): Promise<string> {
  const { body } = await fetchResponse(client, url, { tls });
  return body.toString();
}

const settings = (options: UpstreamTlsOptions): UpstreamTlsSettings => new UpstreamTlsSettings(options);

describe('TLS settings of a cluster', () => {
  it('present a client certificate and take only workers that the authority vouches for', async () => {
    const worker = await startWorker(true);
    const client = await createClient(worker.url);
    assert.equal(await ask(client, worker.url, settings({ ...NAMED, ...alice })), 'alice');
    const distrusted: UpstreamTlsOptions[] = [
      { ...NAMED, ...alice, ca: [strangers.cert] },
      { ...NAMED, ...alice, ca: undefined },
      { ...NAMED, ...alice, serverName: undefined },
      { ...NAMED, ...alice, serverName: 'other.internal' },
    ];
    for (const [index, options] of distrusted.entries()) {
      await assert.rejects(ask(client, worker.url, settings(options)), (error: { code: string; details: string }) => {
        assert.deepEqual([error.code, error.details], ['upstream_connect_failed', 'tls'], String(index));
        return true;
      });
    }
    // A worker may say so only after the handshake looks done from here; either way nothing was answered.
    for (const options of [NAMED, { ...NAMED, ...strangers.issue() }]) {
      await assert.rejects(ask(client, worker.url, settings(options)), (error: { code: string; status: number }) => {
        assert.match(error.code, /^upstream_(?:connect_failed|reset)$/);
        assert.equal(error.status, 502);
        return true;
      });
    }
    assert.doesNotMatch(worker.clients.join(), /test/);
    await assert.rejects(ask(client, worker.url), { code: 'upstream_connect_failed' });
  });

  it('need no client certificate where the worker wants none', async () => {
    const worker = await startWorker(false);
    const client = await createClient(worker.url);
    assert.equal(await ask(client, worker.url, settings(NAMED)), 'nobody');
  });

  it('may switch the check off', async () => {
    const worker = await startWorker(false);
    const client = await createClient(worker.url);
    assert.equal(await ask(client, worker.url, settings({ rejectUnauthorized: false })), 'nobody');
  });

  it('keep connections apart by certificate, and share them where they are equal', async () => {
    const worker = await startWorker(true);
    const client = await createClient(worker.url);
    for (let round = 0; round < 3; round++) {
      assert.equal(await ask(client, worker.url, settings({ ...NAMED, ...alice })), 'alice');
      assert.equal(await ask(client, worker.url, settings({ ...NAMED, ...bob })), 'bob');
    }
    assert.deepEqual(worker.clients.sort(), ['alice', 'bob']);
  });

  it('change for new requests; one under way ends with what it had', async () => {
    const worker = await startWorker(true);
    const client = await createClient(worker.url);
    const [before, now] = [settings({ ...NAMED, ...alice }), settings({ ...NAMED, ...bob })];
    client.configure(worker.url, 'w', DEFAULT_POOL, before);
    const running = sendTo(client, worker.url, { timeouts: LONG_TIMEOUTS, tls: before });
    client.configure(worker.url, 'w', DEFAULT_POOL, now);
    client.close(worker.url, before);
    const next = sendTo(client, worker.url, { timeouts: LONG_TIMEOUTS, tls: now });
    assert.equal((await running.handler.ended).body, 'alice');
    assert.equal((await next.handler.ended).body, 'bob');
    assert.equal(client.origins, 1);
    assert.equal(client.counts(worker.url, now).open, 1);
  });

  it('are equal by content and show no key', () => {
    const [one, same, other] = [settings(alice), settings({ ...alice }), settings(bob)] as const;
    assert.equal(isDeepStrictEqual(one, same), true);
    assert.equal(isDeepStrictEqual(one, other), false);
    assert.doesNotMatch(inspect(one, { depth: 9, showHidden: true }) + JSON.stringify(one), /PRIVATE|CERTIFICATE/);
  });
});
