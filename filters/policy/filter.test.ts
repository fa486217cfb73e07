import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Attempt,
  GatewayError,
  type InferenceRequest,
  type LoadHold,
  type LoadOwner,
  type Policy,
  type PolicyContext,
  type RequestWork,
  type Worker,
} from '../../core/api/index.js';
import { type ClusterMembers, WorkerCluster } from '../../core/cluster/cluster.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { chatRequestHeaders, createFilterHarness, FakeClock, type FilterHarness } from '../../core/testing/index.js';
import factory from './factory.js';

const TIMEOUTS = { connectMs: 0, firstByteMs: 0, idleMs: 0, requestMs: 0 };

/** Everything that a cluster takes members from. */
class StubMembers implements ClusterMembers {
  readonly membersVersion = 0;
  selectionVersion = 0;
  readonly workers: StubWorker[] = [];

  members(): readonly Worker[] {
    return this.workers as unknown as readonly Worker[];
  }

  add(name: string, facts: Partial<StubWorker> = {}): StubWorker {
    const worker = Object.assign(new StubWorker(name), facts);
    this.workers.push(worker);
    return worker;
  }

  /** Changes what selection depends on. */
  change(worker: StubWorker | undefined, facts: Partial<StubWorker>): void {
    Object.assign(worker as StubWorker, facts);
    this.selectionVersion += 1;
  }
}

class StubWorker {
  available = true;
  overloaded = false;
  inDoubt = false;
  work: RequestWork | undefined = undefined;
  priority = 50;
  share = 1;
  maxInFlight = Number.POSITIVE_INFINITY;
  inFlight = 0;
  owner: LoadOwner | undefined = undefined;
  readonly workerType = 'regular';
  readonly models: readonly string[] = ['m'];
  readonly url: string;

  constructor(name: string) {
    this.url = `http://${name}.test`;
  }

  acquireLoad(owner: LoadOwner, work?: RequestWork): LoadHold {
    this.work = work;
    this.inFlight += 1;
    this.owner = owner;
    const release = (): void => {
      this.inFlight -= 1;
    };
    return { worker: this as unknown as Worker, release };
  }
}

/** Takes the candidate at `index`, and remembers what it was asked. */
class StubPolicy implements Policy {
  index = 0;
  readonly lists: (readonly Worker[])[] = [];
  context: PolicyContext | undefined = undefined;

  pick(candidates: readonly Worker[], context: PolicyContext): Worker {
    this.lists.push(candidates);
    this.context = context;
    return candidates[this.index] as Worker;
  }
}

/** Of eight bytes. */
function stubRequest(model: string): InferenceRequest {
  return { model, stream: true, bytes: () => Buffer.alloc(8) } as unknown as InferenceRequest;
}

interface Bench {
  readonly policy: StubPolicy;
  readonly stats: StatsStore;
  readonly clock: FakeClock;
  readonly members: StubMembers;
  readonly workers: readonly StubWorker[];
  /** Opens a run with a request for this model; undefined: without body. */
  run(model: string | undefined, attempts?: readonly Attempt[]): Promise<FilterHarness>;
}

function createBench(count: number): Bench {
  const policy = new StubPolicy();
  const stats = new StatsStore();
  const clock = new FakeClock();
  const members = new StubMembers();
  for (let index = 0; index < count; index++) members.add(`w${index}`);
  const { workers } = members;
  const cluster = new WorkerCluster({ name: 'c', policy: 'stub', timeouts: TIMEOUTS }, members, []);
  const callback = factory.create({}, { onDispose() {} }, { forCluster: () => policy }, clock, stats);
  return {
    policy,
    stats,
    clock,
    members,
    workers,
    run: async (model, attempts = []) => {
      const filter = await callback;
      assert.ok(filter !== undefined);
      const harness = createFilterHarness([{ name: 'policy', factory: filter }], {
        prepare: (streamInfo) => streamInfo.attempts.push(...attempts),
        above: (run) => {
          run.cluster = cluster;
        },
      });
      harness.sendHeaders(chatRequestHeaders(), model === undefined);
      if (model !== undefined) harness.sendRequest(stubRequest(model));
      return harness;
    },
  };
}

function failedAttempt(worker: StubWorker | undefined, status: number, error?: string): Attempt {
  return { worker: worker as unknown as Worker, status, error, startedMs: 1, endedMs: 2 };
}

test('picks with the request in hand and passes head and request on', async () => {
  const bench = createBench(2);
  bench.policy.index = 1;
  const harness = await bench.run('m');
  assert.equal(bench.policy.context?.model, 'm');
  assert.equal(bench.policy.context?.request?.model, 'm');
  assert.deepEqual(bench.workers[1]?.work, { promptTokens: 2, streams: true });
  assert.equal(bench.policy.context?.headers, harness.terminal.headers);
  assert.equal(harness.terminal.request?.model, 'm');
  assert.equal(harness.terminal.callbacks.run.worker, bench.workers[1]);
  assert.equal(harness.terminal.callbacks.run.attempt, harness.streamInfo.attempts[0]);
});

test('picks at the head when there is no body', async () => {
  const bench = createBench(1);
  const harness = await bench.run(undefined);
  assert.equal(bench.policy.context?.request, undefined);
  assert.equal(harness.terminal.ended, true);
  assert.equal(harness.terminal.callbacks.run.worker, bench.workers[0]);
});

for (const how of ['complete', 'reset'] as const) {
  test(`holds the load until the run ends: ${how}`, async () => {
    const bench = createBench(1);
    const harness = await bench.run('m');
    assert.equal(bench.workers[0]?.inFlight, 1);
    const attempt = harness.streamInfo.attempts[0];
    assert.deepEqual([attempt?.startedMs, attempt?.endedMs], [bench.clock.monotonicMs(), 0]);
    bench.clock.advance(7);
    if (how === 'reset') harness.reset();
    else harness.manager.sendLocalReply(new GatewayError('upstream_reset', 'gone'));
    assert.equal(bench.workers[0]?.inFlight, 0);
    assert.equal(attempt?.endedMs, bench.clock.monotonicMs());
  });
}

test('offers the same list while nothing changes, and only what is available', async () => {
  const bench = createBench(3);
  const [a, b, c] = bench.workers;
  await bench.run('m');
  await bench.run('m');
  assert.equal(bench.policy.lists[0], bench.policy.lists[1]);
  bench.members.change(b, { available: false });
  await bench.run('m');
  bench.members.change(b, {});
  await bench.run('m');
  assert.deepEqual(bench.policy.lists[2], [a, c]);
  assert.equal(bench.policy.lists[2], bench.policy.lists[3], 'a change elsewhere leaves it alone');
  bench.members.change(a, { share: 2 });
  await bench.run('m');
  assert.deepEqual(bench.policy.lists[4], [a, c]);
  assert.notEqual(bench.policy.lists[4], bench.policy.lists[3], 'other shares are another list');
});

test('uses the highest priority while it has room, then the next; overloaded workers last', async () => {
  const bench = createBench(1);
  const [low] = bench.workers as [StubWorker];
  const high = bench.members.add('high', { priority: 90, maxInFlight: 2 });
  const other = bench.members.add('other', { priority: 90, maxInFlight: 1 });
  const chosen = async (): Promise<readonly Worker[] | undefined> => {
    await bench.run('m');
    return bench.policy.lists.at(-1);
  };
  assert.deepEqual(await chosen(), [high, other]);
  other.inFlight = 1;
  assert.deepEqual(await chosen(), [high]);
  assert.deepEqual(await chosen(), [low], 'both are full');
  bench.members.change(low, { available: false });
  assert.deepEqual(await chosen(), [high, other], 'full, but all that is left');
  bench.members.change(high, { overloaded: true });
  assert.deepEqual(await chosen(), [other]);
  bench.members.change(other, { overloaded: true });
  high.inFlight = 4;
  assert.deepEqual(await chosen(), [other], 'overloaded, but the least loaded that is left');
  bench.members.change(high, { inDoubt: true });
  bench.members.change(other, { inDoubt: true, inFlight: 9 });
  assert.deepEqual(await chosen(), [high], 'silent ones, where there are no others');
});

test('goes down a priority rather than back to a worker on which the request has failed', async () => {
  const bench = createBench(1);
  const [low] = bench.workers as [StubWorker];
  const high = bench.members.add('high', { priority: 90 });
  await bench.run('m', [failedAttempt(high, 503)]);
  await bench.run('m', [failedAttempt(high, 503), failedAttempt(low, 503)]);
  assert.deepEqual(bench.policy.lists, [[low], [high]]);
});

test('a worker that is removed before the answer ends the attempt as a reset', async () => {
  const bench = createBench(1);
  const harness = await bench.run('m');
  bench.workers[0]?.owner?.onWorkerCut();
  assert.equal(harness.response.headers?.status, 502);
  assert.equal(harness.response.json.error.code, 'upstream_reset');
  assert.equal(bench.workers[0]?.inFlight, 0);
});

test('leaves out workers on which the request has failed while others are left', async () => {
  const bench = createBench(3);
  const [a, b, c] = bench.workers;
  const broken = failedAttempt(a, 0, 'upstream_reset');
  await bench.run('m', [broken]);
  await bench.run('m', [broken, failedAttempt(b, 503)]);
  await bench.run('m', [broken, failedAttempt(b, 503), failedAttempt(c, 429)]);
  await bench.run('m', [failedAttempt(a, 200)]);
  assert.deepEqual(bench.policy.lists, [[b, c], [c], [a, b, c], [a, b, c]]);
});

test('a model that nobody serves is 404 and names it, shortened', async () => {
  const harness = await createBench(1).run(`nobody${'x'.repeat(5000)}`);
  assert.equal(harness.response.headers?.status, 404);
  assert.equal(harness.response.json.error.code, 'model_not_found');
  assert.match(harness.response.json.error.message, /'nobodyx{94}…'/);
  assert.equal(harness.streamInfo.attempts.length, 0);
  assert.equal(harness.terminal.headers, undefined);
});

test('no available worker is 503 with Retry-After', async () => {
  const bench = createBench(2);
  for (const worker of bench.workers) bench.members.change(worker, { available: false });
  const harness = await bench.run('m');
  assert.equal(harness.response.headers?.status, 503);
  assert.equal(harness.response.headers?.get('retry-after'), '1');
  assert.equal(harness.response.json.error.code, 'no_available_workers');
  assert.equal(bench.policy.lists.length, 0);
});

test('counts choices by model that a worker names, others as unknown', async () => {
  const bench = createBench(1);
  bench.members.add('any', { models: [] });
  await bench.run('m');
  await bench.run('made-up');
  await bench.run('m');
  const family = bench.stats.counter({
    name: 'smg_worker_selection_total',
    help: 'Workers chosen, one per attempt',
    labels: ['worker_type', 'connection_mode', 'model', 'policy'],
  });
  const selectionsOf = (model: string): number =>
    (family.with('regular', 'http', model, 'stub') as unknown as { value: number }).value;
  assert.deepEqual([selectionsOf('m'), selectionsOf('unknown')], [2, 1]);
});
