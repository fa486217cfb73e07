import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { Timer } from '../api/clock.js';
import { renderPrometheus } from '../telemetry/prometheus-exposition.js';
import { StatsStore } from '../telemetry/stats-store.js';
import { FakeClock } from '../testing/fake-clock.js';
import { ClusterStats } from './cluster-stats.js';
import { fetchResponse } from './control-fetch.js';
import { LONG_TIMEOUTS, type RawConnection, RawWorker, sendTo } from './raw-worker.fixture.js';
import { HttpUpstreamClient } from './upstream-client.js';
import { DEFAULT_POOL } from './worker-spec.js';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

let clock: FakeClock;
let client: HttpUpstreamClient;
let workers: RawWorker[];

beforeEach(() => {
  clock = new FakeClock();
  client = new HttpUpstreamClient({ clock });
  workers = [];
});

afterEach(async () => {
  client.closeAll();
  for (const worker of workers) await worker.close();
  assert.equal(clock.pendingTimers, 0, 'a timer was leaked');
});

async function startWorker(onRequest: (connection: RawConnection, request: string) => void): Promise<RawWorker> {
  const worker = await new RawWorker(onRequest).listen();
  workers.push(worker);
  return worker;
}

async function turns(count = 10): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Where nobody listens. */
async function unusedUrl(): Promise<string> {
  const worker = await new RawWorker(() => {}).listen();
  const { url } = worker;
  await worker.close();
  return url;
}

/** One exchange from start to end. */
async function exchangeWith(worker: RawWorker): Promise<string> {
  const { handler } = sendTo(client, worker.url);
  await handler.ended;
  return handler.events.at(-1) ?? '';
}

test('one after the other they share a connection, at once they do not', async () => {
  const worker = await startWorker((connection) => connection.write(OK));
  for (let i = 0; i < 5; i += 1) assert.equal(await exchangeWith(worker), 'data end');
  assert.equal(worker.connections.length, 1);
  await Promise.all([exchangeWith(worker), exchangeWith(worker), exchangeWith(worker)]);
  assert.equal(worker.connections.length, 3);
  assert.deepEqual(client.counts(worker.url), { open: 3, idle: 3, waiting: 0 });
});

test('the connection that was used last is used next, so that surplus ones expire', async () => {
  const worker = await startWorker((connection) => connection.write(OK));
  await Promise.all([exchangeWith(worker), exchangeWith(worker)]);
  for (let i = 0; i < 4; i += 1) {
    await exchangeWith(worker);
    clock.advance(1_000);
  }
  assert.deepEqual(client.counts(worker.url), { open: 1, idle: 1, waiting: 0 });
  const counts = worker.connections.map((connection) => connection.requests.length).sort();
  assert.deepEqual(counts, [1, 5]);
  clock.advance(3_000);
  assert.deepEqual(client.counts(worker.url), { open: 0, idle: 0, waiting: 0 });
});

test("the worker's own keep-alive time shortens ours, never lengthens it", async () => {
  for (const [hint, keptMs] of [
    ['timeout=2, max=100', 1_000],
    ['timeout=1', 500],
    ['max=5', 3_000],
    ['timeout=600', 3_000],
  ] as const) {
    const head = `HTTP/1.1 200 OK\r\nkeep-alive: ${hint}\r\ncontent-length: 0\r\n\r\n`;
    const worker = await startWorker((connection) => connection.write(head));
    await exchangeWith(worker);
    clock.advance(keptMs - 1);
    assert.equal(client.counts(worker.url).idle, 1, hint);
    clock.advance(1);
    assert.equal(client.counts(worker.url).open, 0, hint);
  }
});

test('a shorter time of a later connection is not held up by an earlier one', async () => {
  const worker = await startWorker((connection) => {
    const hint = connection.index === 0 ? 600 : 2;
    connection.write(`HTTP/1.1 200 OK\r\nkeep-alive: timeout=${hint}\r\ncontent-length: 0\r\n\r\n`);
  });
  await Promise.all([exchangeWith(worker), exchangeWith(worker)]);
  assert.equal(client.counts(worker.url).idle, 2);
  clock.advance(1_000);
  assert.equal(client.counts(worker.url).idle, 1);
  clock.advance(2_000);
  assert.equal(client.counts(worker.url).idle, 0);
});

/** Its coarse timers come late, as those of a busy process do. */
class LateClock extends FakeClock {
  override setCoarseTimer(delayMs: number, callback: () => void): Timer {
    return super.setCoarseTimer(delayMs + 1_000, callback);
  }
}

test('a connection past its time is not used although nobody has closed it yet', async () => {
  clock = new LateClock();
  client = new HttpUpstreamClient({ clock });
  const worker = await startWorker((connection) => connection.write(OK));
  await exchangeWith(worker);
  clock.advance(3_500);
  assert.equal(client.counts(worker.url).idle, 1);
  await exchangeWith(worker);
  assert.equal(worker.connections.length, 2);
  assert.equal(client.counts(worker.url).open, 1);
});

test('an answer that ended while paused leaves a connection that reads', async () => {
  const worker = await startWorker((connection) => connection.write(OK));
  const { handler, exchange } = sendTo(client, worker.url);
  handler.onEvent = () => exchange.pause();
  await handler.ended;
  assert.equal(await exchangeWith(worker), 'data end');
  assert.equal(worker.connections.length, 1);
});

test('an exchange that was paused in the queue stays so on its connection', async () => {
  const worker = await startWorker((connection, request) => {
    if (request.startsWith('POST /v1')) connection.write(OK);
  });
  client.configure(worker.url, 'w', { ...DEFAULT_POOL, maxConnections: 1 });
  const first = sendTo(client, worker.url, { path: '/hold' });
  const { handler, exchange } = sendTo(client, worker.url);
  exchange.pause();
  while (worker.requests.length === 0) await turns(1);
  worker.connections[0]?.write(OK);
  await first.handler.ended;
  while (worker.requests.length < 2) await turns(1);
  await turns(20);
  assert.deepEqual(handler.events, []);
  exchange.resume();
  await handler.ended;
  assert.equal(handler.body, 'ok');
});

test('a connection is not kept when the worker says so or sends more than its answer', async () => {
  for (const answer of [
    'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok',
    'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nkeep-alive: timeout=0\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok',
    `${OK}HTTP/1.1 200 OK\r\n`,
  ]) {
    const worker = await startWorker((connection) => connection.write(answer));
    assert.equal(await exchangeWith(worker), 'data end');
    assert.equal(client.counts(worker.url).open, 0, answer);
    await worker.connections[0]?.closed;
  }
});

test('an idle connection on which bytes arrive, or that the worker closes, is given up', async () => {
  const worker = await startWorker((connection) => connection.write(OK));
  await exchangeWith(worker);
  worker.connections[0]?.write('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n');
  await worker.connections[0]?.closed;
  assert.equal(client.counts(worker.url).open, 0);
  assert.equal(await exchangeWith(worker), 'data end');
  worker.connections[1]?.socket.end();
  await worker.connections[1]?.closed;
  await turns();
  assert.deepEqual(client.counts(worker.url), { open: 0, idle: 0, waiting: 0 });
});

/** Answers the first request of a connection and drops the connection at the next, after `firstBytes`. */
function forgetful(firstBytes: string, reset: boolean): Promise<RawWorker> {
  return startWorker((connection) => {
    if (connection.requests.length === 1 && connection.index === 0) {
      connection.write(OK);
    } else if (connection.index === 0) {
      if (firstBytes !== '') connection.write(firstBytes);
      if (reset) connection.socket.resetAndDestroy();
      else connection.socket.end();
    } else {
      connection.write(OK);
    }
  });
}

test('a request that meets a stale connection is sent once more, over a new one', async () => {
  for (const reset of [false, true]) {
    const worker = await forgetful('', reset);
    await exchangeWith(worker);
    assert.equal(await exchangeWith(worker), 'data end');
    assert.deepEqual(
      worker.connections.map((connection) => connection.requests.length),
      [2, 1],
    );
    assert.equal(worker.connections[0]?.requests[1], worker.connections[1]?.requests[0]);
  }
});

test('it is not sent again once a byte of the answer came', async () => {
  const worker = await forgetful('H', false);
  await exchangeWith(worker);
  assert.equal(await exchangeWith(worker), 'error upstream_reset closed_before_head');
  assert.equal(worker.connections.length, 1);
});

test('it is not sent a third time, and never on a first connection', async () => {
  const worker = await startWorker((connection) => {
    if (connection.index === 0 && connection.requests.length === 1) connection.write(OK);
    else connection.socket.resetAndDestroy();
  });
  await exchangeWith(worker);
  assert.equal(await exchangeWith(worker), 'error upstream_reset reset_before_head');
  assert.equal(worker.requests.length, 3);
  assert.equal(await exchangeWith(worker), 'error upstream_reset reset_before_head');
  assert.equal(worker.requests.length, 4);
});

test('a resend keeps an earlier pause, and can be aborted', async () => {
  const worker = await forgetful('', false);
  await exchangeWith(worker);
  const { handler, exchange } = sendTo(client, worker.url);
  exchange.pause();
  await turns(3);
  exchange.resume();
  await handler.ended;
  assert.equal(handler.body, 'ok');

  const silent = await startWorker((connection) => {
    if (connection.index > 0) return;
    if (connection.requests.length === 1) connection.write(OK);
    else connection.socket.end();
  });
  await exchangeWith(silent);
  const second = sendTo(client, silent.url);
  while (silent.connections[1]?.requests.length !== 1) await turns(1);
  second.exchange.abort();
  await silent.connections[1]?.closed;
  assert.deepEqual(second.handler.events, []);
});

test('past the limit exchanges wait in order, give up when aborted or late, and are bounded in number', async () => {
  const worker = await startWorker(() => {});
  client.configure(worker.url, 'w', { ...DEFAULT_POOL, maxConnections: 1, maxWaiting: 4 });
  const sent = Array.from({ length: 6 }, (_, index) =>
    sendTo(client, worker.url, {
      path: `/${index}`,
      timeouts: { ...LONG_TIMEOUTS, connectMs: index === 3 ? 1_000 : 10_000 },
    }),
  );
  const events = (index: number): string[] => sent[index]?.handler.events ?? [];
  assert.deepEqual(events(5), [], 'not before send returned');
  await sent[5]?.handler.ended;
  assert.deepEqual(events(5), ['error overloaded pool_queue_full']);
  assert.deepEqual(client.counts(worker.url), { open: 1, idle: 0, waiting: 4 });
  sent[1]?.exchange.abort();
  while (worker.requests.length === 0) await turns(1);
  clock.advance(1_000);
  assert.deepEqual(events(3), ['error overloaded pool_timeout']);
  for (const expected of [2, 4]) {
    worker.connections[0]?.write(OK);
    while (!worker.requests.some((request) => request.startsWith(`POST /${expected} `))) await turns(1);
  }
  worker.connections[0]?.write(OK);
  await sent[4]?.handler.ended;
  assert.deepEqual(events(0), ['headers 200', 'data end']);
  assert.deepEqual(events(1), []);
  assert.deepEqual(client.counts(worker.url), { open: 1, idle: 1, waiting: 0 });
  assert.equal(worker.connections.length, 1);
});

test('a place that fails or is aborted goes to the next in the queue', async () => {
  const worker = await startWorker((connection, request) => {
    if (request.startsWith('POST /0')) connection.socket.resetAndDestroy();
    else if (!request.startsWith('POST /1')) connection.write(OK);
  });
  client.configure(worker.url, 'w', { ...DEFAULT_POOL, maxConnections: 1 });
  const [first, second, third] = ['/0', '/1', '/2'].map((path) => sendTo(client, worker.url, { path }));
  await first?.handler.ended;
  while (!worker.requests.some((request) => request.startsWith('POST /1'))) await turns(1);
  second?.exchange.abort();
  await third?.handler.ended;
  assert.equal(third?.handler.status, 200);
  assert.equal(worker.connections.length, 3);
});

test('a closed pool refuses, fails what waits and lets the rest end', async () => {
  const worker = await startWorker(() => {});
  client.configure(worker.url, 'w', { ...DEFAULT_POOL, maxConnections: 1 });
  const running = sendTo(client, worker.url).handler;
  const waiting = sendTo(client, worker.url).handler;
  while (worker.requests.length === 0) await turns(1);
  client.close(worker.url);
  assert.deepEqual(waiting.events, ['error upstream_connect_failed worker_removed']);
  worker.connections[0]?.write(OK);
  await running.ended;
  assert.deepEqual(running.events, ['headers 200', 'data end']);
  await worker.connections[0]?.closed;
});

test('what is sent after its worker was removed is served, and leaves no pool behind', async () => {
  const worker = await startWorker((connection) => connection.write(OK));
  client.configure(`${worker.url}/base`, 'w', DEFAULT_POOL);
  client.close(`${worker.url}/base`);
  const late = sendTo(client, `${worker.url}/base`).handler;
  await late.ended;
  assert.deepEqual(late.events, ['headers 200', 'data end']);
  const question = fetchResponse(client, `${worker.url}/metrics`);
  assert.equal((await question).status, 200);
  assert.equal(client.origins, 1);
  assert.deepEqual(client.counts(worker.url), { open: 2, idle: 2, waiting: 0 });
  clock.advance(DEFAULT_POOL.idleMs);
  assert.equal(client.origins, 0);

  const nobody = sendTo(client, await unusedUrl()).handler;
  await nobody.ended;
  assert.deepEqual(nobody.events, ['error upstream_connect_failed connect_refused']);
  assert.equal(client.origins, 0);
});

test('a worker that comes back while such a request runs has a pool of its own, which stays', async () => {
  const worker = await startWorker((connection, request) => {
    if (!request.startsWith('POST /slow')) connection.write(OK);
  });
  const late = sendTo(client, worker.url, { path: '/slow' }).handler;
  while (worker.requests.length === 0) await turns(1);
  client.configure(worker.url, 'w', DEFAULT_POOL);
  assert.equal(await exchangeWith(worker), 'data end');
  assert.deepEqual(client.counts(worker.url), { open: 1, idle: 1, waiting: 0 });
  worker.connections[0]?.write(OK);
  await late.ended;
  assert.deepEqual(late.events, ['headers 200', 'data end']);
  clock.advance(DEFAULT_POOL.idleMs);
  assert.deepEqual(client.counts(worker.url), { open: 0, idle: 0, waiting: 0 });
  assert.equal(client.origins, 1);
});

test('gauges follow the connections and go with the worker', async () => {
  const store = new StatsStore();
  const stats = new ClusterStats(store);
  client = new HttpUpstreamClient({ clock, stats });
  const worker = await startWorker((connection) => {
    if (connection.index === 0 && connection.requests.length === 2) connection.socket.end();
    else connection.write(OK);
  });
  client.configure(worker.url, 'w1', DEFAULT_POOL);
  await exchangeWith(worker);
  assert.match(renderPrometheus(store), /smg_worker_connections\{worker="w1",state="open"\} 1\n/);
  assert.match(renderPrometheus(store), /smg_worker_connections\{worker="w1",state="idle"\} 1\n/);
  await exchangeWith(worker);
  assert.match(renderPrometheus(store), /smg_worker_stale_resends_total\{worker="w1"\} 1\n/);
  client.closeAll();
  assert.match(renderPrometheus(store), /smg_worker_connections\{worker="w1",state="open"\} 0\n/);
  assert.match(renderPrometheus(store), /smg_worker_connections\{worker="w1",state="idle"\} 0\n/);
});
