import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { RequestHeaders, type ResponseHeaders } from '../../../core/api/headers.js';
import type {
  HttpServers,
  ServerStream,
  ServerStreamAcceptor,
  ServerStreamHandler,
} from '../../../core/api/http-server.js';
import { FakeClock } from '../../../core/testing/fake-clock.js';
import { SILENT_LOGGER } from '../../../core/testing/sim-fixture.js';
import { type SimConfigInput, simConfigSchema } from './config.js';
import { type RunningSim, startSimEngine } from './server.js';

/** A stream that keeps what is written, and cannot break connections, like one of HTTP/2. */
class RecordedStream implements ServerStream {
  readonly protocol = 'HTTP/2';
  readonly remoteAddress = '127.0.0.1';
  aboveHighWatermark = false;
  status = 0;
  readonly writes: string[] = [];
  ended = false;
  wasReset = false;

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.status = headers.status;
    this.ended = endStream;
  }

  encodeData(bytes: Buffer, endStream: boolean): void {
    assert.ok(!this.ended, 'data after the end');
    this.writes.push(bytes.toString());
    this.ended = endStream;
  }

  encodeTrailers(): void {}

  reset(): void {
    this.wasReset = true;
  }

  readDisable(): void {}
}

interface Rig {
  readonly clock: FakeClock;
  readonly sim: RunningSim;
  request(body: object, fields?: string[]): { stream: RecordedStream; handler: ServerStreamHandler };
}

async function createRig(options: SimConfigInput): Promise<Rig> {
  const clock = new FakeClock();
  let accept: ServerStreamAcceptor | undefined;
  const bound = { host: '127.0.0.1', port: 1, drain: async () => {}, close: async () => {} };
  const httpServers: HttpServers = {
    listen: async (_address, acceptor) => {
      accept = acceptor;
      return bound;
    },
  };
  const sim = await startSimEngine(options, { httpServers, clock, logger: SILENT_LOGGER });
  return {
    clock,
    sim,
    request(body, fields = []) {
      const stream = new RecordedStream();
      const headers = new RequestHeaders('POST', '/v1/chat/completions', 'sim', 'http', fields);
      const handler = (accept as ServerStreamAcceptor)(stream, headers, false);
      handler.onData(Buffer.from(JSON.stringify(body)), true);
      return { stream, handler };
    },
  };
}

const CHAT = { messages: [{ role: 'user', content: 'x' }], stream: true, max_tokens: 3 };

test('tokens come at their times, those of one moment in one write, and no timer is left', async () => {
  const rig = await createRig({ ttft: 10, itl: 5 });
  const { stream } = rig.request({ ...CHAT, n: 2 });
  rig.clock.advance(9);
  assert.equal(stream.writes.length, 0);
  assert.equal(rig.clock.pendingTimers, 1);
  rig.clock.advance(1);
  assert.equal(stream.writes.length, 1);
  assert.equal(stream.writes[0]?.split('data: ').length, 1 + 2 + 2, 'two roles and two first tokens');
  rig.clock.advance(10);
  assert.ok(stream.ended);
  assert.equal(rig.clock.pendingTimers, 0);
  assert.equal(rig.sim.stats().completed, 1);
});

test('a reset in mid-answer ends the work at once', async () => {
  const rig = await createRig({ ttft: 10, itl: 5 });
  const { stream, handler } = rig.request(CHAT);
  rig.clock.advance(10);
  handler.onReset('client_closed');
  const { aborted, inFlight, loads, lastAbortMs } = rig.sim.stats();
  assert.deepEqual([aborted, inFlight, loads.running, loads.usedTokens], [1, 0, 0, 0]);
  assert.equal(lastAbortMs, rig.clock.monotonicMs());
  assert.equal(rig.clock.pendingTimers, 0);
  const { length } = stream.writes;
  rig.clock.advance(1_000);
  assert.equal(stream.writes.length, length);
});

test('a reset before the body is complete is no request', async () => {
  const rig = await createRig({});
  const { handler } = rig.request(CHAT);
  handler.onReset('client_closed');
  handler.onReset('client_closed');
  handler.onData(Buffer.from('late'), true);
  assert.equal(rig.sim.stats().aborted, 1);
});

test('closing leaves no timer, whatever runs', async () => {
  const rig = await createRig({});
  rig.request(CHAT);
  const { handler } = rig.request(CHAT);
  await rig.sim.close();
  handler.onReset('shutdown');
  assert.equal(rig.clock.pendingTimers, 0);
});

test('a client above its watermark gets no more until it is below', async () => {
  const rig = await createRig({ ttft: 0, itl: 5 });
  const { stream, handler } = rig.request(CHAT);
  rig.clock.advance(0);
  stream.aboveHighWatermark = true;
  rig.clock.advance(100);
  assert.equal(stream.writes.length, 1);
  assert.ok(!stream.ended);
  stream.aboveHighWatermark = false;
  handler.onBelowWriteBufferLowWatermark();
  assert.ok(stream.ended);
  assert.match(stream.writes.join(''), /\[DONE\]\n\n$/);
});

test('where a connection cannot be broken, faults reset the stream', async () => {
  const rig = await createRig({ ttft: 0, itl: 0 });
  for (const kind of ['refuse', 'garbage', 'cut', 'eof', 'garbage_chunk']) {
    const { stream } = rig.request(CHAT, ['x-sim-fault', kind]);
    assert.ok(stream.wasReset && !stream.ended, kind);
  }
  assert.equal(rig.sim.stats().faulted, 5);
});

test('a fault that breaks an answer frees its memory', async () => {
  const rig = await createRig({ ttft: 0, itl: 5 });
  rig.request({ ...CHAT, max_tokens: 100 }, ['x-sim-fault', 'cut=2']);
  rig.clock.advance(50);
  assert.equal(rig.sim.stats().loads.usedTokens, 0);
  assert.equal(rig.clock.pendingTimers, 0);
});

test('the examples of the READMEs are valid', () => {
  for (const file of ['README.md', '../README.md']) {
    const text = readFileSync(new URL(file, import.meta.url), 'utf8');
    const example = /```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
    const { engine } = parse(example).clusters[0];
    assert.equal(engine.type, 'sim');
    assert.equal(simConfigSchema.parse(engine.config).models[0], 'llama-3.1-8b');
  }
});
