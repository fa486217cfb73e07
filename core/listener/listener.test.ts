import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { FakeClock } from '../testing/fake-clock.js';
import { ListenerFixture, RawClient, settle } from './listener.fixture.js';

const GET = 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n';

/** A certificate of this run; undefined where openssl is missing. */
function createCertificate(): { cert: string; key: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'smg-listener-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
    execFileSync('openssl', [...args, '-subj', '/CN=localhost', '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } catch {
    // Where there is no openssl the tests of TLS say so themselves.
    return undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('openListener', () => {
  it('says where it is bound and rejects when it cannot be', async () => {
    const fixture = await ListenerFixture.open(new FakeClock());
    assert.equal(fixture.listener.host, '127.0.0.1');
    assert.ok(fixture.listener.port > 0);
    await assert.rejects(ListenerFixture.open(new FakeClock(), { port: fixture.listener.port }), {
      code: 'EADDRINUSE',
    });
    await fixture.close();
  });

  it('serves a unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'smg-listener-'));
    const path = join(folder, 'socket');
    const fixture = await ListenerFixture.open(new FakeClock(), { path });
    assert.equal(fixture.listener.host, path);
    const client = await RawClient.open(connect(path));
    client.send('GET /a HTTP/1.0\r\n\r\n');
    const exchange = await fixture.request();
    assert.equal(exchange.stream.remoteAddress, '');
    exchange.begin();
    exchange.data('x');
    await client.untilReceived('x');
    exchange.stream.reset();
    await client.untilClosed();
    await fixture.close();
    rmSync(folder, { recursive: true });
  });

  it('tells HTTP/1 from HTTP/2 wherever the first bytes are cut', async () => {
    const fixture = await ListenerFixture.open(new FakeClock());
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';
    for (const cut of [1, 3, 16, 23]) {
      const client = await fixture.connect();
      client.socket.setNoDelay(true);
      client.send(preface.slice(0, cut));
      await settle();
      client.send(preface.slice(cut));
      // A SETTINGS frame: length, type 4, no flags, stream 0.
      await client.until(() => client.received.length >= 9);
      assert.equal(client.received.charCodeAt(3), 4);
      client.socket.destroy();
    }
    const client = await fixture.connect();
    client.send('P');
    await settle();
    client.send('UT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    const exchange = await fixture.request();
    assert.equal(exchange.headers.method, 'PUT');
    exchange.answer(200, 'x');
    await client.untilReceived('x');
    await settle();
    await fixture.close();
  });

  it('counts connections', async () => {
    const fixture = await ListenerFixture.open(new FakeClock());
    const busy = await fixture.connect();
    busy.send(GET);
    const exchange = await fixture.request();
    const idle = await fixture.connect();
    await settle();
    assert.deepEqual(fixture.listener.connections, { open: 2, idle: 1 });
    idle.socket.destroy();
    exchange.answer(200, 'x');
    await busy.untilReceived('x');
    await settle();
    assert.deepEqual(fixture.listener.connections, { open: 1, idle: 1 });
    await fixture.close();
  });

  it('holds a thousand idle connections with one timer', async () => {
    const fixture = await ListenerFixture.open(new FakeClock());
    const clients = await Promise.all(Array.from({ length: 1000 }, () => fixture.connect()));
    for (const client of clients) client.send(GET);
    for (let i = 0; i < 1000; i++) (await fixture.request()).answer(200, 'x');
    await settle();
    assert.deepEqual(fixture.listener.connections, { open: 1000, idle: 1000 });
    assert.equal(fixture.clock.pendingTimers, 1);
    await fixture.close();
  });
});

describe('drain and close', () => {
  it('drain ends idle connections, lets requests finish and takes no new ones', async () => {
    const fixture = await ListenerFixture.open(new FakeClock());
    const idle = await fixture.connect();
    idle.send(GET);
    (await fixture.request()).answer(200, 'x');
    await idle.untilReceived('x');
    const silent = await fixture.connect();
    const busy = await fixture.connect();
    busy.send(GET + GET);
    const exchange = await fixture.request();
    const streaming = await fixture.connect();
    streaming.send(GET);
    const stream = await fixture.request();
    stream.begin();
    let drained = false;
    const done = fixture.listener.drain().then(() => {
      drained = true;
    });
    await idle.untilClosed();
    await silent.untilClosed();
    const refused = new RawClient(connect({ host: '127.0.0.1', port: fixture.listener.port }));
    await refused.untilClosed();
    assert.equal(refused.error?.code, 'ECONNREFUSED');
    exchange.answer(200, 'last');
    await busy.untilClosed();
    assert.match(busy.received, /connection: close\r\n\r\nlast$/);
    assert.equal(drained, false);
    stream.data('end', true);
    await streaming.untilClosed();
    assert.match(streaming.received, /0\r\n\r\n$/);
    await done;
    await fixture.close();
  });

  it('drain lets HTTP/2 streams finish and takes no new ones', async () => {
    const fixture = await ListenerFixture.open(new FakeClock());
    const session = connectHttp2(`http://127.0.0.1:${fixture.listener.port}`);
    const stream = session.request({ ':path': '/a' });
    const exchange = await fixture.request();
    const goaway = once(session, 'goaway');
    const done = fixture.listener.drain();
    await goaway;
    exchange.answer(200, 'last');
    let body = '';
    for await (const bytes of stream) body += String(bytes);
    assert.equal(body, 'last');
    await done;
    await fixture.close();
  });

  it('close ends everything and tells the handlers', async () => {
    const fixture = await ListenerFixture.open(new FakeClock());
    const client = await fixture.connect();
    client.send(GET);
    const first = await fixture.request();
    const session = connectHttp2(`http://127.0.0.1:${fixture.listener.port}`);
    session.on('error', () => {});
    const stream = session.request({ ':path': '/a' });
    stream.on('error', () => {});
    const second = await fixture.request();
    await fixture.close();
    await client.untilClosed();
    assert.equal(first.reset, 'shutdown');
    assert.equal(second.reset, 'shutdown');
    if (!session.destroyed) await once(session, 'close');
  });
});

describe('TLS', () => {
  const certificate = createCertificate();
  const options = certificate === undefined ? { skip: 'openssl is not installed' } : {};

  it('serves HTTP/1 by ALPN and without it', options, async () => {
    const fixture = await ListenerFixture.open(new FakeClock(), { tls: certificate as { cert: string; key: string } });
    const { port } = fixture.listener;
    for (const ALPNProtocols of [['http/1.1'], undefined]) {
      const socket = connectTls({
        port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        ...(ALPNProtocols && { ALPNProtocols }),
      });
      const client = await RawClient.open(socket);
      client.send(GET);
      const exchange = await fixture.request();
      assert.equal(exchange.stream.protocol, 'HTTP/1.1');
      assert.equal(exchange.headers.scheme, 'https');
      assert.equal(exchange.stream.remoteAddress, '127.0.0.1');
      exchange.answer(200, 'x');
      await client.untilReceived('\r\n\r\nx');
      client.send(GET);
      const second = await fixture.request();
      client.socket.destroy();
      await second.until(() => second.reset === 'client_closed');
    }
    await fixture.close();
  });

  it('serves HTTP/2 by ALPN', options, async () => {
    const fixture = await ListenerFixture.open(new FakeClock(), { tls: certificate as { cert: string; key: string } });
    const session = connectHttp2(`https://127.0.0.1:${fixture.listener.port}`, { rejectUnauthorized: false });
    const stream = session.request({ ':method': 'POST', ':path': '/a' });
    stream.end('abc');
    const exchange = await fixture.request();
    await exchange.until(() => exchange.complete);
    assert.equal(exchange.stream.protocol, 'HTTP/2');
    assert.equal(exchange.headers.scheme, 'https');
    assert.equal(exchange.body, 'abc');
    exchange.answer(200, 'x');
    let body = '';
    for await (const bytes of stream) body += String(bytes);
    assert.equal(body, 'x');
    const closed = once(session, 'close');
    await fixture.listener.drain();
    await closed;
    await fixture.close();
  });

  it('closes a client that does not speak TLS, and survives', options, async () => {
    const fixture = await ListenerFixture.open(new FakeClock(), { tls: certificate as { cert: string; key: string } });
    const client = await fixture.connect();
    client.send(GET);
    await client.untilClosed();
    const silent = await fixture.connect();
    await settle();
    await fixture.close();
    await silent.untilClosed();
  });
});
