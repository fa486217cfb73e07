import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FakeClock } from '../testing/fake-clock.js';
import { ListenerFixture, settle } from './listener.fixture.js';

const GET = 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n';
const CHUNK = Buffer.alloc(64 * 1024, 120);

describe('slow clients', () => {
  let fixture: ListenerFixture;
  before(async () => {
    fixture = await ListenerFixture.open(new FakeClock());
  });
  after(() => fixture.close());

  it('has 30 s for its head and is told so', async () => {
    const client = await fixture.connect();
    client.send('GET /a HTTP/1.1\r\nHost: a\r\n');
    await settle();
    fixture.clock.advance(29_000);
    client.send('X-A: b\r\n');
    await settle();
    assert.equal(client.ended, false);
    fixture.clock.advance(4_000);
    await client.untilClosed();
    assert.match(client.received, /^HTTP\/1\.1 408 .*"code":"request_timeout"/s);
  });

  it('is closed without a word when it says nothing, or half a preface', async () => {
    for (const text of ['', 'PRI * HT']) {
      const client = await fixture.connect();
      client.send(text);
      await settle();
      fixture.clock.advance(35_000);
      await client.untilClosed();
      assert.equal(client.received, '');
    }
  });

  it('may idle 90 s between two requests', async () => {
    const client = await fixture.connect();
    client.send(GET);
    (await fixture.request()).answer(200, 'one');
    await client.untilReceived('one');
    fixture.clock.advance(89_000);
    client.send(GET);
    (await fixture.request()).answer(200, 'two');
    await client.untilReceived('two');
    fixture.clock.advance(89_000);
    await settle();
    assert.equal(client.ended, false);
    fixture.clock.advance(4_000);
    await client.untilClosed();
    assert.match(client.received, /two$/);
  });

  it('has 30 s for the head of a later request', async () => {
    const client = await fixture.connect();
    client.send(GET);
    (await fixture.request()).answer(200, 'one');
    await client.untilReceived('one');
    client.send('GET /a');
    await settle();
    fixture.clock.advance(34_000);
    await client.untilReceived('408');
  });

  it('may wait for its answer as long as it likes', async () => {
    const client = await fixture.connect();
    client.send(GET);
    const exchange = await fixture.request();
    fixture.clock.advance(3_600_000);
    exchange.answer(200, 'late');
    await client.untilReceived('late');
    client.socket.destroy();
  });

  it('is ended when its body makes no progress for 60 s', async () => {
    const client = await fixture.connect();
    client.send('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1');
    const exchange = await fixture.request();
    for (const text of ['2', '3']) {
      fixture.clock.advance(50_000);
      client.send(text);
      await exchange.until(() => exchange.body.endsWith(text));
    }
    fixture.clock.advance(55_000);
    assert.equal(exchange.reset, undefined);
    fixture.clock.advance(10_000);
    assert.equal(exchange.reset, 'body_stalled');
    await client.untilClosed();
    assert.match(client.received, /^HTTP\/1\.1 408 .*"code":"request_body_stalled"/s);
  });

  it('is not blamed for a body that we do not read', async () => {
    const client = await fixture.connect();
    fixture.onRequest = (exchange) => exchange.stream.readDisable(true);
    client.send('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1');
    const exchange = await fixture.request();
    fixture.onRequest = () => {};
    await settle();
    fixture.clock.advance(600_000);
    assert.equal(exchange.reset, undefined);
    exchange.stream.readDisable(false);
    client.send('2');
    await exchange.until(() => exchange.complete);
    client.socket.destroy();
    await exchange.until(() => exchange.reset === 'client_closed');
  });

  it('is ended when it takes nothing for 5 min, not when it takes a little', async () => {
    const client = await fixture.connect();
    client.socket.pause();
    client.send(GET);
    const exchange = await fixture.request();
    exchange.begin();
    while (!exchange.stream.aboveHighWatermark) {
      exchange.stream.encodeData(CHUNK, false);
      await new Promise(setImmediate);
    }
    await settle();
    for (let i = 0; i < 3; i++) {
      fixture.clock.advance(200_000);
      assert.equal(exchange.reset, undefined);
      const seen = client.socket.bytesRead;
      client.socket.resume();
      await client.until(
        () => client.socket.bytesRead >= seen + 4 * 1024 * 1024 || !exchange.stream.aboveHighWatermark,
      );
      client.socket.pause();
      while (!exchange.stream.aboveHighWatermark) {
        exchange.stream.encodeData(CHUNK, false);
        await new Promise(setImmediate);
      }
      await settle();
    }
    fixture.clock.advance(310_000);
    assert.equal(exchange.reset, 'write_stalled');
    client.socket.resume();
    await client.untilClosed();
    assert.doesNotMatch(client.received, /\r\n0\r\n\r\n$/);
  });

  it('does not hold a closing connection open for ever', async () => {
    const client = await fixture.connect();
    client.socket.pause();
    client.send('GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    (await fixture.request()).answer(200, 'x');
    client.socket.allowHalfOpen = true;
    await settle();
    assert.equal(fixture.listener.connections.open, 1);
    fixture.clock.advance(5_000);
    await settle();
    assert.equal(fixture.listener.connections.open, 0);
    client.socket.destroy();
  });

  it('leaves no connection behind', async () => {
    await settle();
    assert.deepEqual(fixture.listener.connections, { open: 0, idle: 0 });
    assert.equal(fixture.clock.pendingTimers, 0);
  });
});

describe('limits of a listener', () => {
  it('closes after the last request that a connection may make', async () => {
    const fixture = await ListenerFixture.open(new FakeClock(), { limits: { maxRequestsPerConnection: 2 } });
    const client = await fixture.connect();
    client.send(GET);
    (await fixture.request()).answer(200, 'one');
    await client.untilReceived('one');
    assert.doesNotMatch(client.received, /connection: close/);
    client.send(GET);
    (await fixture.request()).answer(200, 'two');
    await client.untilClosed();
    assert.match(client.received, /connection: close\r\n\r\ntwo$/);
    await fixture.close();
  });

  it('takes no more connections than allowed', async () => {
    const fixture = await ListenerFixture.open(new FakeClock(), { limits: { maxConnections: 1 } });
    const first = await fixture.connect();
    const second = await fixture.connect();
    await second.untilClosed();
    first.send(GET);
    (await fixture.request()).answer(200, 'one');
    await first.untilReceived('one');
    assert.deepEqual(fixture.listener.connections, { open: 1, idle: 1 });
    await fixture.close();
    await first.untilClosed();
  });

  it('takes its own head limits', async () => {
    const fixture = await ListenerFixture.open(new FakeClock(), { limits: { maxFields: 2 } });
    const client = await fixture.connect();
    client.send('GET / HTTP/1.1\r\nHost: a\r\na: b\r\nc: d\r\n\r\n');
    await client.untilReceived('HTTP/1.1 431 ');
    await fixture.close();
  });
});
