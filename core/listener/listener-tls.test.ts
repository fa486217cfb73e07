import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { after, describe, it } from 'node:test';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { FakeClock } from '../testing/fake-clock.js';
import { createTestAuthority } from '../testing/test-certificates.js';
import { ListenerFixture, RawClient } from './listener.fixture.js';

const GET = 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n';
const authority = createTestAuthority();
const first = authority.issue({ name: 'first' });
const second = authority.issue({ name: 'second' });

const sockets: TLSSocket[] = [];
after(() => {
  for (const socket of sockets) socket.destroy();
});

/** Resolves when the handshake is done, rejects when it is not to be. */
async function connect(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, ca: authority.cert, ...options });
  sockets.push(socket);
  await once(socket, 'secureConnect');
  return socket;
}

function nameOf(socket: TLSSocket): string | undefined {
  return /CN=(.*)/.exec(socket.getPeerX509Certificate()?.subject ?? '')?.[1];
}

describe('a listener that gets another certificate', () => {
  it('shows it to new connections; a running answer and an idle connection keep theirs', async () => {
    const fixture = await ListenerFixture.open(new FakeClock(), { tls: first });
    const { port } = fixture.listener;
    const idle = new RawClient(await connect(port));
    const busy = new RawClient(await connect(port));
    busy.send(GET);
    const exchange = await fixture.request();
    exchange.begin();
    exchange.data('one');

    const apply = fixture.listener.prepare({ tls: second }, fixture.accept);
    assert.equal(nameOf(await connect(port)), 'first', 'prepared is not applied');
    apply();
    assert.equal(nameOf(await connect(port)), 'second');
    assert.equal(fixture.listener.port, port);

    exchange.data('two', true);
    await busy.untilReceived('two');
    idle.send(GET);
    (await fixture.request()).answer(200, 'still here');
    await idle.untilReceived('still here');
    assert.equal(nameOf(idle.socket as TLSSocket), 'first');
    await fixture.close();
  });

  it('lets no session of the old one be resumed', async () => {
    const fixture = await ListenerFixture.open(new FakeClock(), { tls: first });
    const { port } = fixture.listener;
    const socket = await connect(port, { maxVersion: 'TLSv1.2' });
    const session = socket.getSession();
    fixture.listener.prepare({ tls: second }, fixture.accept)();
    const again = await connect(port, { maxVersion: 'TLSv1.2', ...(session && { session }) });
    assert.equal(again.isSessionReused(), false);
    assert.equal(nameOf(again), 'second');
    await fixture.close();
  });

  it('stays as it is when the new one cannot be used', async () => {
    const fixture = await ListenerFixture.open(new FakeClock(), { tls: first });
    assert.throws(() => fixture.listener.prepare({ tls: { ...second, key: first.key } }, fixture.accept));
    assert.equal(nameOf(await connect(fixture.listener.port)), 'first');
    await fixture.close();
  });

  it('goes from clear text to TLS and back on the same port', async () => {
    const fixture = await ListenerFixture.open(new FakeClock(), {});
    const { port } = fixture.listener;
    const plain = await fixture.connect();
    fixture.listener.prepare({ tls: first }, fixture.accept)();
    assert.equal(nameOf(await connect(port)), 'first');
    plain.send(GET);
    (await fixture.request()).answer(200, 'clear');
    await plain.untilReceived('clear');
    fixture.listener.prepare({}, fixture.accept)();
    const again = await fixture.connect();
    again.send(GET);
    const exchange = await fixture.request();
    assert.equal(exchange.headers.scheme, 'http');
    exchange.answer(200, '');
    await fixture.close();
  });

  it('counts, drains and closes the connections of all of them', async () => {
    const fixture = await ListenerFixture.open(new FakeClock(), { tls: first });
    const { port } = fixture.listener;
    const old = new RawClient(await connect(port));
    const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: authority.cert });
    await once(session, 'connect');
    fixture.listener.prepare({ tls: second }, fixture.accept)();
    const young = new RawClient(await connect(port));
    young.send(GET);
    const exchange = await fixture.request();
    assert.equal(fixture.listener.connections.open, 3);
    let drained = false;
    const draining = fixture.listener.drain().then(() => {
      drained = true;
    });
    await old.untilClosed();
    if (!session.closed) await once(session, 'close');
    assert.equal(drained, false, 'one request is being answered');
    exchange.answer(200, 'last');
    await young.untilReceived('last');
    await draining;
    await fixture.close();
  });

  it('changes two hundred times under connections that come and go, and forgets what it was', async () => {
    const fixture = await ListenerFixture.open(new FakeClock(), { tls: first });
    fixture.onRequest = (exchange) => exchange.answer(200, 'ok');
    let ending = false;
    let answered = 0;
    const traffic = Array.from({ length: 4 }, async () => {
      while (!ending) {
        const client = new RawClient(await connect(fixture.listener.port));
        client.send(GET);
        await client.untilReceived('\r\n\r\nok');
        client.socket.destroy();
        answered++;
      }
    });
    for (let round = 0; round < 200; round++) {
      fixture.listener.prepare({ tls: round % 2 === 0 ? second : first }, fixture.accept)();
      await new Promise((resolve) => setImmediate(resolve));
    }
    ending = true;
    await Promise.all(traffic);
    assert.ok(answered > 4);
    await fixture.listener.drain();
    assert.deepEqual(fixture.listener.connections, { open: 0, idle: 0 });
    await fixture.close();
  });

  it('changes its limits for new connections only', async () => {
    const fixture = await ListenerFixture.open(new FakeClock(), { limits: { maxHeadBytes: 1024 } });
    const long = `GET /${'a'.repeat(2000)} HTTP/1.1\r\nHost: a\r\n\r\n`;
    const old = await fixture.connect();
    fixture.listener.prepare({ limits: { maxHeadBytes: 8192, maxConnections: 2 } }, fixture.accept)();
    const young = await fixture.connect();
    young.send(long);
    (await fixture.request()).answer(200, 'taken');
    await young.untilReceived('taken');
    old.send(long);
    await old.untilReceived('431');
    await fixture.close();
  });
});

describe('a listener that asks for certificates of clients', () => {
  const clients = createTestAuthority('clients');
  const known = clients.issue({ name: 'known' });
  const stranger = createTestAuthority('strangers').issue({ name: 'stranger' });

  /** Body of one answer, or the code of what went wrong. */
  async function ask(fixture: ListenerFixture, options: ConnectionOptions): Promise<string> {
    const socket = connectTls({ host: '127.0.0.1', port: fixture.listener.port, ca: authority.cert, ...options });
    sockets.push(socket);
    socket.write(GET);
    socket.resume();
    const failed = new Promise<string>((resolve) => {
      socket.once('error', () => resolve('refused'));
      socket.once('close', () => resolve('refused'));
    });
    const answered = fixture.request().then((exchange) => {
      exchange.answer(200, 'in');
      return 'in';
    });
    return Promise.race([failed, answered]);
  }

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`lets in nobody without a known one when it requires them (${version})`, async () => {
      const fixture = await ListenerFixture.open(new FakeClock(), { tls: { ...first, ca: [clients.cert] } });
      const versions = { minVersion: version, maxVersion: version };
      assert.equal(await ask(fixture, versions), 'refused');
      assert.equal(await ask(fixture, { ...versions, ...stranger }), 'refused');
      await fixture.close();
      const other = await ListenerFixture.open(new FakeClock(), { tls: { ...first, ca: [clients.cert] } });
      assert.equal(await ask(other, { ...versions, ...known }), 'in');
      await other.close();
    });

    it(`lets in clients without one, but none with a wrong one, when it requests them (${version})`, async () => {
      const tls = { ...first, ca: [clients.cert], clientAuth: 'request' } as const;
      const versions = { minVersion: version, maxVersion: version };
      for (const [identity, outcome] of [
        [{}, 'in'],
        [known, 'in'],
        [stranger, 'refused'],
      ] as const) {
        const fixture = await ListenerFixture.open(new FakeClock(), { tls });
        assert.equal(await ask(fixture, { ...versions, ...identity }), outcome);
        await fixture.close();
      }
    });
  }
});
