import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { inspect } from 'node:util';
import type { Logger } from '../api/log.js';
import { SystemClock } from '../server/system-clock.js';
import { renderPrometheus } from '../telemetry/prometheus-exposition.js';
import { StatsStore } from '../telemetry/stats-store.js';
import { ClusterStats } from './cluster-stats.js';
import { fetchResponse } from './control-fetch.js';
import { HealthChecker } from './health-checker.js';
import { HttpUpstreamClient } from './upstream-client.js';
import type { ManagedWorker } from './worker.js';
import { logWorkerEvents } from './worker-event-log.js';
import { WorkerRegistry } from './worker-registry.js';
import { createWorkerSpec } from './worker-spec.fixture.js';
import type { WorkerSpec } from './worker-spec.js';

const clock = new SystemClock();
let store: StatsStore;
let client: HttpUpstreamClient;
let registry: WorkerRegistry;
let events: string[];
let server: Server;
let url: string;
let sockets: number;

beforeEach(async () => {
  store = new StatsStore();
  const stats = new ClusterStats(store);
  client = new HttpUpstreamClient({ clock, stats });
  const checker = new HealthChecker({ client, clock });
  registry = new WorkerRegistry({ checker, pools: client, clock, stats });
  events = [];
  registry.onChange(({ worker, change }) => events.push(`${worker.cluster} ${change} ${worker.health}`));
  sockets = 0;
  server = createServer((request, response) => {
    if (request.url === '/v1/models') response.end(JSON.stringify({ data: [{ id: 'm', owned_by: 'vllm' }] }));
    else response.end('ok');
  });
  server.on('connection', () => (sockets += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  registry.close();
  client.closeAll();
  await new Promise((resolve) => server.close(resolve));
});

function spec(change: Partial<WorkerSpec> = {}): WorkerSpec {
  return createWorkerSpec({ url, cluster: 'main', runtime: undefined, models: [], ...change });
}

/** A generation with these workers, brought into force once their health is known. */
async function begin(generation: string, specs: readonly WorkerSpec[]): Promise<readonly ManagedWorker[]> {
  const workers = registry.reconcile(generation, specs);
  await registry.settled(generation, 5_000);
  registry.activate(generation);
  return workers;
}

test('a new worker is probed, asked for its models and then healthy', async () => {
  const [worker] = await begin('g1', [spec()]);
  assert.ok(worker);
  assert.equal(worker.available, true);
  assert.deepEqual(worker.models, ['m']);
  assert.equal(worker.runtime, 'vllm');
  assert.match(worker.id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(events, ['main added pending', 'main models pending', 'main health healthy']);
  assert.match(renderPrometheus(store), new RegExp(`smg_worker_health\\{worker="${worker.id}"\\} 1\\n`));
});

test('a reload keeps the worker with its socket, health and load', async () => {
  const [before] = await begin('g1', [spec()]);
  const hold = before?.acquireLoad();
  const socketsBefore = sockets;
  const [after] = await begin('g2', [spec({ priority: 70, labels: { zone: 'a' } })]);
  registry.release('g1');
  assert.equal(after, before);
  assert.equal(after?.health, 'healthy');
  assert.equal(after?.inFlight, 1);
  assert.equal(after?.priority, 70);
  assert.deepEqual(after?.labels, { served_model_name: 'm', zone: 'a' });
  await fetchResponse(client, `${url}/x`);
  assert.equal(sockets, socketsBefore);
  hold?.release();
  hold?.release();
  assert.equal(after?.inFlight, 0);
});

test('settings come into force with activation, not before; a generation that is given up changes nothing', async () => {
  const [worker] = await begin('g1', [spec()]);
  const before = events.length;
  const [same, other] = registry.reconcile('g2', [spec({ priority: 99 }), spec({ cluster: 'second' })]);
  assert.equal(same, worker);
  assert.equal(worker?.priority, 50);
  registry.release('g2');
  assert.equal(worker?.priority, 50);
  assert.equal(worker?.health, 'healthy');
  assert.deepEqual(registry.list(), [worker]);
  assert.deepEqual(events.slice(before), ['second added pending', 'second health draining', 'second removed draining']);
  assert.equal(other?.available, false);
});

test('a worker that no generation names takes nothing new and goes with its last request', async () => {
  const [worker] = await begin('g1', [spec()]);
  assert.ok(worker);
  const holds = [worker.acquireLoad(), worker.acquireLoad()];
  await begin('g2', []);
  assert.equal(worker.available, true, 'requests of the older generation may still choose it');
  registry.release('g1');
  assert.equal(worker.health, 'draining');
  assert.equal(worker.available, false);
  holds[0]?.release();
  holds[0]?.release();
  assert.deepEqual(registry.list(), [worker]);
  holds[1]?.release();
  assert.deepEqual(registry.list(), []);
  assert.equal(events.at(-1), 'main removed draining');
  assert.equal(client.origins, 0);
  assert.doesNotMatch(renderPrometheus(store), new RegExp(worker.id));
});

test('a draining worker that is named again serves again', async () => {
  const [worker] = await begin('g1', [spec()]);
  const hold = worker?.acquireLoad();
  registry.release('g1');
  const [again] = await begin('g2', [spec()]);
  assert.equal(again, worker);
  assert.equal(worker?.health, 'healthy');
  hold?.release();
  assert.deepEqual(registry.list(), [worker]);
});

test('roles and clusters make different workers of one URL; the pool is shared until the last one goes', async () => {
  const workers = await begin('g1', [spec(), spec({ workerType: 'prefill' }), spec({ cluster: 'second' })]);
  assert.equal(new Set(workers).size, 3);
  assert.equal(new Set(workers.map((worker) => worker.id)).size, 3);
  await begin('g2', [spec()]);
  registry.release('g1');
  assert.equal(client.origins, 1);
  assert.throws(() => registry.reconcile('g3', [spec(), spec()]), /two regular workers/);
  assert.deepEqual(registry.list(), [workers[0]]);
});

test('a live source brings members, changes and takes them back at once', async () => {
  const api = Symbol('api');
  const [first] = registry.update(api, [spec({ priority: 1 })]);
  await registry.settled(api, 5_000);
  const before = registry.membersVersion;
  const other = spec({ cluster: 'second' });
  const [same, second] = registry.update(api, [spec({ priority: 2 }), other]);
  assert.equal(same, first);
  assert.equal(first?.priority, 2);
  assert.notEqual(registry.membersVersion, before);
  assert.deepEqual(registry.members('main', [api]), [first]);
  assert.deepEqual(registry.members('main', []), []);
  assert.equal(registry.get(second?.id as string), second);
  registry.update(api, [other]);
  assert.deepEqual(registry.list(), [second]);
  assert.equal(registry.get(first?.id as string), undefined);
  assert.throws(() => registry.update(api, [other, other]), /two regular workers/);
  assert.deepEqual(registry.members('second', [api, api]), [second]);
});

test("a config's settings win over a live source's, which come back when the config no longer names the worker", async () => {
  registry.update('api', [spec({ priority: 10 })]);
  const [worker] = await begin('g1', [spec({ priority: 20 })]);
  registry.update('api', [spec({ priority: 11 })]);
  assert.equal(worker?.priority, 20);
  assert.equal(registry.specBeside('api', spec())?.priority, 20);
  await begin('g2', []);
  registry.release('g1');
  assert.equal(worker?.priority, 11);
  assert.equal(worker?.health, 'healthy');
  assert.equal(registry.specBeside('api', spec()), undefined);
});

test('an amender changes and takes out what any source says, and gives it back', async () => {
  let amend = (it: WorkerSpec): WorkerSpec | undefined => it;
  registry.setAmender((it) => amend(it));
  const [worker] = await begin('g1', [spec()]);
  amend = (it) => ({ ...it, priority: 7 });
  registry.amend(spec());
  assert.equal(worker?.priority, 7);
  assert.equal(registry.specBeside('api', spec())?.priority, 50);
  amend = () => undefined;
  registry.amend(spec());
  assert.deepEqual(registry.members('main', ['g1']), []);
  assert.deepEqual(registry.list(), []);
  amend = (it) => it;
  registry.amend(spec());
  assert.equal(registry.members('main', ['g1']).length, 1);
});

test('workers of a live source are put and dropped one by one', async () => {
  registry.put('api', spec());
  await registry.settled('api', 5_000);
  registry.put('api', spec({ cluster: 'second' }));
  registry.put('api', spec({ priority: 3 }));
  assert.deepEqual(
    registry.list().map((worker) => [worker.cluster, worker.priority]),
    [
      ['main', 3],
      ['second', 50],
    ],
  );
  registry.drop('api', spec());
  registry.drop('api', spec());
  registry.drop('nobody', spec());
  assert.deepEqual(
    registry.list().map((worker) => worker.cluster),
    ['second'],
  );
});

test('a drained worker stays for as long as it must be seen, then is cut at its deadline', async () => {
  const [worker] = await begin('g1', [spec({ drain: { settleMs: 20, timeoutMs: 60 } })]);
  let cuts = 0;
  const hold = worker?.acquireLoad({
    onWorkerCut: () => {
      cuts += 1;
      hold?.release();
    },
  });
  const other = worker?.acquireLoad();
  registry.release('g1');
  other?.release();
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual([registry.list().length, cuts], [1, 0]);
  while (registry.list().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual([cuts, worker?.inFlight], [1, 0]);
});

test('a worker that was not healthy is gone at once, but not before its last request', async () => {
  const drain = { settleMs: 60_000, timeoutMs: 0 };
  const dead = spec({ url: 'http://127.0.0.1:1', drain });
  registry.reconcile('g1', [dead, spec({ drain })]);
  const [pending, healthy] = registry.list();
  await registry.settled('g1', 300);
  assert.deepEqual([pending?.health, healthy?.health], ['pending', 'healthy']);
  const hold = pending?.acquireLoad();
  registry.release('g1');
  assert.deepEqual(registry.list(), [pending, healthy]);
  hold?.release();
  assert.deepEqual(registry.list(), [healthy], 'the healthy one is seen to drain');
});

test("an expelled worker is nobody's until its sources speak anew", async () => {
  const [worker] = await begin('g1', [spec()]);
  registry.update('found', [spec()]);
  assert.ok(worker);
  registry.expel(worker);
  assert.deepEqual([registry.list(), registry.members('main', ['g1', 'found'])], [[], []]);
  registry.expel(worker);
  registry.amend(spec({ url: 'http://127.0.0.1:1' }));
  assert.deepEqual(registry.list(), []);
  registry.readmit();
  const [again] = registry.list();
  assert.equal(again?.id, worker.id);
  assert.deepEqual(registry.members('main', ['g1']), [again]);
  assert.deepEqual(registry.members('main', ['found']), []);
  registry.readmit();
  registry.update('found', [spec()]);
  assert.deepEqual([registry.list(), registry.members('main', ['found'])], [[again], [again]]);
  registry.expel(again as ManagedWorker);
  assert.equal((await begin('g2', [spec()])).length, 1);
  registry.release('g1');
  assert.equal(registry.list().length, 1);
});

test('a request that took a worker just after it had gone does not end its successor', async () => {
  const [gone] = await begin('g1', [spec()]);
  registry.release('g1');
  assert.deepEqual(registry.list(), []);
  const late = gone?.acquireLoad();
  const [next] = await begin('g2', [spec()]);
  assert.notEqual(next, gone);
  const running = next?.acquireLoad();
  registry.release('g2');
  late?.release();
  assert.deepEqual(registry.list(), [next], 'it still has a request');
  running?.release();
  assert.deepEqual(registry.list(), []);
});

test('settled does not wait for workers that stay down', async () => {
  registry.reconcile('g1', [spec({ url: 'http://127.0.0.1:1' })]);
  await registry.settled('g1', 50);
  assert.equal(registry.list()[0]?.health, 'pending');
});

test('the log says why a worker is pending, once for each reason', async () => {
  const lines: [string, object][] = [];
  const log = {
    info() {},
    warn: (fields: object, message: string) => lines.push([message, fields]),
  } as unknown as Logger;
  const stop = logWorkerEvents(registry, log);
  registry.reconcile('g1', [spec({ url: 'http://127.0.0.1:1' })]);
  await registry.settled('g1', 400);
  stop();
  assert.deepEqual(
    lines.map(([message, fields]) => [message, (fields as { reason: string }).reason]),
    [['worker is not ready yet', 'health: connect refused']],
  );
});

test('a worker shows its key to nobody who prints it', async () => {
  const [worker] = await begin('g1', [spec({ apiKey: 'sk-marked' })]);
  assert.equal(worker?.apiKey, 'sk-marked');
  assert.doesNotMatch(inspect(worker, { depth: 9, showHidden: true }), /sk-marked/);
  assert.doesNotMatch(JSON.stringify(worker), /sk-marked/);
});

test('the log tells what happens to workers, and never the key', async () => {
  const lines: [string, string, object][] = [];
  const log = {
    info: (fields: object, message: string) => lines.push(['info', message, fields]),
    warn: (fields: object, message: string) => lines.push(['warn', message, fields]),
  } as unknown as Logger;
  const stop = logWorkerEvents(registry, log);
  const [worker] = await begin('g1', [spec({ apiKey: 'sk-marked' })]);
  worker?.setHealth('unhealthy');
  await begin('g2', [spec({ apiKey: 'sk-marked', priority: 1 })]);
  registry.release('g1');
  registry.release('g2');
  stop();
  await begin('g3', [spec()]);
  assert.deepEqual(
    lines.map(([level, message]) => `${level} ${message}`),
    [
      'info worker added',
      'info models of a worker are known',
      'info worker is healthy',
      'warn worker is unhealthy',
      'info settings of a worker changed',
      'info worker is draining',
      'info worker removed',
    ],
  );
  assert.doesNotMatch(JSON.stringify(lines), /sk-marked/);
});
