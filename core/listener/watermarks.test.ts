import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { describe, it, type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FakeClock } from '../testing/fake-clock.js';
import { type Exchange, ListenerFixture, settle } from './listener.fixture.js';

const CHUNK = Buffer.alloc(16 * 1024, 120);
const MiB = 1024 * 1024;

/** Bytes of all buffers that are still reachable. Memory of a collected buffer is given back a little later. */
async function heldBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) {
    collect();
    await settle();
  }
  return process.memoryUsage().arrayBuffers;
}

/** Writes until told to stop; goes on when told to; ends after `total` bytes. Returns what was written so far. */
function produce(exchange: Exchange, total: number): { written: () => number } {
  let written = 0;
  const go = (): void => {
    while (!exchange.stream.aboveHighWatermark && written < total && exchange.reset === undefined) {
      written += CHUNK.length;
      exchange.stream.encodeData(CHUNK, written >= total);
    }
  };
  exchange.onEvent = () => {
    if (exchange.watermarks.at(-1) === 'low') go();
  };
  go();
  return { written: () => written };
}

/** Closed after the test, also one that fails: an open listener would keep the process alive. */
async function openFixture(t: TestContext): Promise<ListenerFixture> {
  const fixture = await ListenerFixture.open(new FakeClock());
  t.after(() => fixture.close());
  return fixture;
}

/** Waits until a figure stands still; what is on its way may take long on a busy machine. */
async function steady(read: () => number): Promise<number> {
  let before = Number.NaN;
  for (let same = 0; same < 5; ) {
    await settle();
    const now = read();
    same = now === before ? same + 1 : 0;
    before = now;
  }
  return before;
}

describe('write watermarks', () => {
  it('go high once 64 KiB wait, low when they are gone, in turns (HTTP/1)', async (t) => {
    const fixture = await openFixture(t);
    const client = await fixture.connect();
    client.socket.pause();
    client.send('GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const exchange = await fixture.request();
    exchange.begin();
    const total = 100 * MiB;
    const producer = produce(exchange, total);
    const stuck = await steady(producer.written);
    assert.equal(exchange.stream.aboveHighWatermark, true);
    assert.equal(exchange.watermarks.at(-1), 'high');
    // Most of what was written is in the two kernel buffers; in the process is what the client has not got and they have not.
    assert.ok(stuck < 32 * MiB, `${stuck} bytes left the producer`);
    await settle();
    assert.equal(producer.written(), stuck);
    client.socket.on('data', () => {
      client.received = '';
    });
    client.socket.resume();
    // Framing counts among the bytes: only the end of the connection tells that all have come.
    await client.until(() => client.ended);
    assert.ok(client.socket.bytesRead > total, `${client.socket.bytesRead} bytes came`);
    assert.equal(producer.written(), total);
    exchange.watermarks.forEach((mark, i) => {
      assert.equal(mark, i % 2 === 0 ? 'high' : 'low');
    });
    client.socket.destroy();
  });

  it('hold less than 1 MiB for a client that stops reading 100 MiB', async (t) => {
    const fixture = await openFixture(t);
    const client = await fixture.connect();
    client.socket.pause();
    client.send('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    const exchange = await fixture.request();
    exchange.begin();
    const before = await heldBytes();
    let written = 0;
    while (!exchange.stream.aboveHighWatermark && written < 100 * MiB) {
      // A new buffer each time, so that what is held shows.
      exchange.stream.encodeData(Buffer.alloc(16 * 1024, 121), false);
      written += 16 * 1024;
      await new Promise(setImmediate);
    }
    await steady(() => client.socket.bytesRead);
    assert.equal(exchange.stream.aboveHighWatermark, true);
    assert.ok(written > MiB, 'the kernel took so little that nothing is shown');
    const held = (await heldBytes()) - before;
    assert.ok(held < MiB, `${held} of ${written} bytes held`);
    client.socket.destroy();
    await exchange.until(() => exchange.reset === 'client_closed');
  });

  it('work for HTTP/2', async (t) => {
    const fixture = await openFixture(t);
    const session = connectHttp2(`http://127.0.0.1:${fixture.listener.port}`);
    const request = session.request({ ':path': '/a' });
    request.pause();
    const exchange = await fixture.request();
    exchange.begin();
    const total = 8 * MiB;
    const producer = produce(exchange, total);
    await steady(producer.written);
    assert.equal(exchange.watermarks.at(-1), 'high');
    assert.ok(producer.written() < MiB, `${producer.written()} bytes left the producer`);
    let received = 0;
    request.on('data', (bytes: Buffer) => {
      received += bytes.length;
    });
    request.resume();
    await new Promise((resolve) => request.on('end', resolve));
    assert.equal(received, total);
    exchange.watermarks.forEach((mark, i) => {
      assert.equal(mark, i % 2 === 0 ? 'high' : 'low');
    });
    session.destroy();
  });
});
