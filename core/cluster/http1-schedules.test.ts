import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../testing/fake-clock.js';
import { type RawConnection, RawWorker, sendTo } from './raw-worker.fixture.js';
import { HttpUpstreamClient } from './upstream-client.js';
import { DEFAULT_POOL } from './worker-spec.js';

const BODY = 'abcdefgh';

/** What a worker does with a request, by the path that asks for it. */
const BEHAVIOURS: Readonly<Record<string, (connection: RawConnection) => void>> = {
  length: (connection) => connection.write(`HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n${BODY}`),
  chunked: (connection) => {
    connection.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n');
    setImmediate(() => connection.write('4\r\nefgh\r\n0\r\n\r\n'));
  },
  trailers: (connection) =>
    connection.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n${BODY}\r\n0\r\nx: y\r\n\r\n`),
  until_end: (connection) => connection.socket.end(`HTTP/1.1 200 OK\r\n\r\n${BODY}`),
  close: (connection) =>
    connection.socket.end(`HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 8\r\n\r\n${BODY}`),
  then_close: (connection) => {
    connection.write(`HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n${BODY}`);
    setImmediate(() => connection.socket.end());
  },
  extra: (connection) => connection.write(`HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n${BODY}more`),
  refuse: (connection) => connection.socket.resetAndDestroy(),
  cut: (connection) => connection.socket.end('HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nabc'),
  garbage: (connection) => connection.write('nonsense\r\n\r\n'),
};
const WHOLE = new Set(['length', 'chunked', 'trailers', 'until_end', 'close', 'then_close', 'extra']);

const anExchange = fc.record({
  behaviour: fc.constantFrom(...Object.keys(BEHAVIOURS)),
  /** Gives up at the so-manieth callback; 0 at once, undefined never. */
  abortAt: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined, freq: 3 }),
  pauses: fc.integer({ min: 0, max: 2 }),
  delayTurns: fc.integer({ min: 0, max: 4 }),
});
type Plan = typeof anExchange extends fc.Arbitrary<infer T> ? T : never;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function run(client: HttpUpstreamClient, url: string, plan: Plan): Promise<void> {
  for (let i = 0; i < plan.delayTurns; i += 1) await turn();
  const { handler, exchange } = sendTo(client, url, { path: `/${plan.behaviour}` });
  const aborted = new Promise<boolean>((resolve) => {
    handler.onEvent = () => {
      if (handler.events.length !== plan.abortAt) return;
      exchange.abort();
      resolve(true);
    };
    if (plan.abortAt === 0) {
      exchange.abort();
      resolve(true);
    }
  });
  for (let i = 0; i < plan.pauses; i += 1) exchange.pause();
  await turn();
  for (let i = 0; i < plan.pauses; i += 1) exchange.resume();
  await Promise.race([aborted, handler.ended]);
  const atEnd = handler.events.length;
  await turn();
  assert.equal(handler.events.length, atEnd, 'a callback after the end');
  const ends = handler.events.filter((event) => event.endsWith('end') || event.startsWith('error')).length;
  assert.ok(ends <= 1);
  if (handler.complete) assert.equal(handler.body, BODY);
  if (plan.abortAt === undefined) assert.equal(handler.complete, WHOLE.has(plan.behaviour), handler.events.join());
}

test('whatever workers and clients do, each exchange ends once and every connection is accounted for', async () => {
  const worker = await new RawWorker((connection, request) => {
    BEHAVIOURS[request.slice('POST /'.length, request.indexOf(' HTTP'))]?.(connection);
  }).listen();
  const plans = fc.array(anExchange, { minLength: 1, maxLength: 14 });
  await fc.assert(
    fc.asyncProperty(plans, fc.integer({ min: 1, max: 4 }), async (chosen, maxConnections) => {
      const clock = new FakeClock();
      const client = new HttpUpstreamClient({ clock });
      client.configure(worker.url, 'w', { ...DEFAULT_POOL, maxConnections });
      await Promise.all(chosen.map((plan) => run(client, worker.url, plan)));
      const counts = client.counts(worker.url);
      assert.equal(counts?.waiting, 0);
      assert.equal(counts?.open, counts?.idle);
      assert.ok((counts?.open ?? 0) <= maxConnections);
      clock.advance(3_000);
      assert.deepEqual(client.counts(worker.url), { open: 0, idle: 0, waiting: 0 });
      assert.equal(clock.pendingTimers, 0);
      client.closeAll();
    }),
    { numRuns: 80 },
  );
  await worker.close();
});
