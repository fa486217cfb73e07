import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KvEventLog } from './kv-events.js';
import { type SchedulerOptions, SimScheduler } from './scheduler.js';
import type { SimJob, SimPace } from './sim-job.js';

const OPTIONS: SchedulerOptions = { blocks: 64, blockSize: 4, maxRunning: 4, prefillChunkTokens: 16 };

function prompt(length: number, seed = 0): Uint32Array {
  return Uint32Array.from({ length }, (_, index) => seed * 1_000 + index + 1);
}

interface Emission {
  readonly name: string;
  readonly count: number;
  readonly atMs: number;
}

/** Runs until nothing is left to do and lists what came out. */
function drain(scheduler: SimScheduler<string>, out: Emission[] = []): Emission[] {
  for (let next = scheduler.nextEventMs(); next !== undefined; next = scheduler.nextEventMs()) {
    scheduler.advanceTo(next, (job, count, atMs) => out.push({ name: job.owner, count, atMs }));
  }
  return out;
}

test('a lone request: prefill by uncached tokens, then one token per step', () => {
  const scheduler = new SimScheduler<string>({ ...OPTIONS, prefillChunkTokens: 100, prefillTokensPerSecond: 1_000 });
  scheduler.submit({ owner: 'a', promptIds: prompt(50), outputTokens: 3 }, 10);
  const out = drain(scheduler);
  assert.deepEqual(
    out.map((emission) => emission.atMs.toFixed(2)),
    ['60.00', '66.35', '72.70'],
  );
});

test('a prompt longer than the chunk is read over several steps', () => {
  const scheduler = new SimScheduler<string>({ ...OPTIONS, prefillTokensPerSecond: 1_000 });
  scheduler.submit({ owner: 'a', promptIds: prompt(40), outputTokens: 1 }, 0);
  scheduler.advanceTo(0, () => assert.fail('too early'));
  assert.equal(scheduler.nextEventMs(), 16);
  assert.deepEqual(drain(scheduler), [{ name: 'a', count: 1, atMs: 40 }]);
});

test('inter-token latency grows with the batch', () => {
  const scheduler = new SimScheduler<string>({ ...OPTIONS, decodeBaseMs: 6, decodePerRequestMs: 1 });
  for (const name of ['a', 'b', 'c']) scheduler.submit({ owner: name, promptIds: prompt(4), outputTokens: 3 }, 0);
  const times = drain(scheduler).filter((emission) => emission.name === 'a');
  assert.equal((times[2]?.atMs ?? 0) - (times[1]?.atMs ?? 0), 9);
});

test('a second request with the same prefix finds its full blocks', () => {
  const scheduler = new SimScheduler<string>(OPTIONS);
  scheduler.submit({ owner: 'a', promptIds: prompt(20), outputTokens: 2 }, 0);
  drain(scheduler);
  const second = scheduler.submit({ owner: 'b', promptIds: prompt(30), outputTokens: 1 }, 1_000);
  drain(scheduler);
  assert.equal(second.cachedTokens, 20);
  const third = scheduler.submit({ owner: 'c', promptIds: prompt(20), outputTokens: 1 }, 2_000);
  drain(scheduler);
  assert.equal(third.cachedTokens, 16, 'the last token is always computed');
});

test('a conversation that repeats the answer finds the answer cached too', () => {
  const scheduler = new SimScheduler<string>(OPTIONS);
  const first = prompt(8);
  scheduler.submit({ owner: 'a', promptIds: first, outputTokens: 8, outputId: (index) => 500 + index }, 0);
  drain(scheduler);
  const followUp = Uint32Array.from([...first, ...prompt(8).map((_, index) => 500 + index), 9, 9, 9, 9]);
  const job = scheduler.submit({ owner: 'b', promptIds: followUp, outputTokens: 1 }, 1_000);
  drain(scheduler);
  assert.equal(job.cachedTokens, 16);
});

test('flushing the cache forgets what nobody uses', () => {
  const scheduler = new SimScheduler<string>(OPTIONS);
  scheduler.submit({ owner: 'a', promptIds: prompt(20), outputTokens: 1 }, 0);
  drain(scheduler);
  assert.equal(scheduler.loads().idleCacheTokens, 20);
  scheduler.flushCache();
  assert.equal(scheduler.loads().idleCacheTokens, 0);
  const job = scheduler.submit({ owner: 'b', promptIds: prompt(20), outputTokens: 1 }, 500);
  drain(scheduler);
  assert.equal(job.cachedTokens, 0);
});

test('requests wait in order when the memory is full, and start when it is freed', () => {
  const scheduler = new SimScheduler<string>({ ...OPTIONS, blocks: 8 });
  const big = scheduler.submit({ owner: 'big', promptIds: prompt(24, 1), outputTokens: 8 }, 0);
  scheduler.submit({ owner: 'second', promptIds: prompt(16, 2), outputTokens: 1 }, 0);
  scheduler.submit({ owner: 'small', promptIds: prompt(1, 3), outputTokens: 1 }, 0);
  scheduler.advanceTo(0, () => undefined);
  assert.deepEqual([scheduler.loads().running, scheduler.loads().waiting], [1, 2]);
  assert.equal(scheduler.loads().waitingUncachedTokens, 17);
  scheduler.abort(big, 1);
  const order = drain(scheduler).map((emission) => emission.name);
  assert.deepEqual(order, ['second', 'small']);
});

test('the youngest gives way when memory runs out, and loses no token', () => {
  const scheduler = new SimScheduler<string>({ ...OPTIONS, blocks: 12 });
  const old = scheduler.submit({ owner: 'old', promptIds: prompt(8, 1), outputTokens: 30 }, 0);
  const young = scheduler.submit({ owner: 'young', promptIds: prompt(8, 2), outputTokens: 30 }, 0);
  const out = drain(scheduler);
  assert.equal(old.preemptions, 0);
  assert.ok(young.preemptions > 0);
  assert.equal(out.filter((emission) => emission.name === 'young').length, 30);
  assert.equal(scheduler.loads().usedTokens, 0);
});

test('a request with its own pace keeps it, whatever the batch does', () => {
  const scheduler = new SimScheduler<string>({ ...OPTIONS, decodeBaseMs: 50 });
  scheduler.submit({ owner: 'slow', promptIds: prompt(8), outputTokens: 5 }, 0);
  scheduler.submit({ owner: 'own', promptIds: prompt(8), outputTokens: 3, pace: { ttftMs: 7, itlMs: 2 } }, 0);
  const own = drain(scheduler).filter((emission) => emission.name === 'own');
  assert.deepEqual(
    own.map((emission) => emission.atMs),
    [7, 9, 11],
  );
});

test('a pace of zero gives everything in one piece', () => {
  const scheduler = new SimScheduler<string>(OPTIONS);
  scheduler.submit({ owner: 'a', promptIds: prompt(8), outputTokens: 100, pace: { ttftMs: 0, itlMs: 0 } }, 5);
  assert.deepEqual(drain(scheduler), [{ name: 'a', count: 100, atMs: 5 }]);
});

test('a sequence that can never fit is refused', () => {
  const scheduler = new SimScheduler<string>(OPTIONS);
  assert.throws(() => scheduler.submit({ owner: 'a', promptIds: prompt(250), outputTokens: 7 }, 0), RangeError);
  assert.equal(scheduler.nextEventMs(), undefined);
});

test('KV events describe the cache: replaying them gives its content', () => {
  const events = new KvEventLog();
  const scheduler = new SimScheduler<string>({ ...OPTIONS, blocks: 16, events });
  const seen = new Set<number>();
  events.onBatch = (batch) => {
    for (const event of batch.events) {
      if (event.kind === 'cleared') seen.clear();
      else if (event.kind === 'removed') for (const hash of event.hashes) assert.ok(seen.delete(hash));
      else for (const hash of event.hashes) seen.add(hash);
    }
  };
  for (let seed = 1; seed < 8; seed++) {
    scheduler.submit({ owner: 'a', promptIds: prompt(20, seed), outputTokens: 3, outputId: (index) => index }, seed);
    drain(scheduler);
  }
  assert.equal(seen.size, scheduler.kv.idleBlocks);
  assert.equal(events.since(0)?.length, events.lastSequence);
  scheduler.flushCache();
  assert.equal(seen.size, 0);
});

test('the event log tells a subscriber that it came too late', () => {
  const log = new KvEventLog(2);
  for (let i = 0; i < 3; i++) {
    log.record({ kind: 'cleared' });
    log.flush(i);
  }
  assert.equal(log.since(0), undefined);
  assert.deepEqual(
    log.since(1)?.map((batch) => batch.sequence),
    [2, 3],
  );
});

type Action =
  | { kind: 'submit'; tokens: number; output: number; seed: number; pace: SimPace | undefined }
  | { kind: 'advance'; byMs: number }
  | { kind: 'abort'; pick: number }
  | { kind: 'flush' };

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant('submit' as const),
    tokens: fc.integer({ min: 1, max: 40 }),
    output: fc.integer({ min: 1, max: 24 }),
    seed: fc.integer({ min: 0, max: 3 }),
    pace: fc.option(fc.record({ ttftMs: fc.nat(20), itlMs: fc.nat(8) }), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('advance' as const), byMs: fc.nat(60) }),
  fc.record({ kind: fc.constant('abort' as const), pick: fc.nat(50) }),
  fc.constant({ kind: 'flush' as const }),
);

/** Plays a schedule, checking invariants on the way; gives every emission and every job. */
function play(actions: readonly Action[], stepMs: number): { out: Emission[]; jobs: SimJob<string>[] } {
  const scheduler = new SimScheduler<string>({ ...OPTIONS, blocks: 20, events: new KvEventLog() });
  const out: Emission[] = [];
  const jobs: SimJob<string>[] = [];
  const record = (job: SimJob<string>, count: number, atMs: number): void => {
    assert.notEqual(job.state, 'aborted');
    out.push({ name: job.owner, count, atMs });
  };
  let nowMs = 0;
  for (const step of actions) {
    if (step.kind === 'submit') {
      jobs.push(
        scheduler.submit(
          {
            owner: String(jobs.length),
            promptIds: prompt(step.tokens, step.seed),
            outputTokens: step.output,
            outputId: (index) => index,
            ...(step.pace === undefined ? {} : { pace: step.pace }),
          },
          nowMs,
        ),
      );
    } else if (step.kind === 'abort') {
      const job = jobs[step.pick % Math.max(1, jobs.length)];
      if (job !== undefined) scheduler.abort(job, nowMs);
    } else if (step.kind === 'flush') scheduler.flushCache();
    else {
      const until = nowMs + step.byMs;
      for (; nowMs < until; nowMs = Math.min(until, nowMs + stepMs)) scheduler.advanceTo(nowMs, record);
    }
    scheduler.advanceTo(nowMs, record);
    const loads = scheduler.loads();
    assert.ok(loads.usedTokens + loads.idleCacheTokens <= loads.capacityTokens);
    assert.ok(loads.running <= loads.maxRunning);
    assert.ok(loads.waitingUncachedTokens >= 0);
  }
  for (let next = scheduler.nextEventMs(); next !== undefined; next = scheduler.nextEventMs()) {
    scheduler.advanceTo(next, record);
  }
  const end = scheduler.loads();
  assert.deepEqual([end.running, end.waiting, end.usedTokens, end.waitingUncachedTokens], [0, 0, 0, 0]);
  return { out, jobs };
}

test('any schedule: memory returns to zero, every job ends, no token is lost or doubled', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40, size: 'max' }), (actions) => {
      const { out, jobs } = play(actions, 1_000);
      for (const job of jobs) {
        const emitted = out.filter((emission) => emission.name === job.owner);
        const tokens = emitted.reduce((sum, emission) => sum + emission.count, 0);
        assert.equal(tokens, job.emitted);
        if (job.state === 'finished') assert.equal(tokens, job.outputTokens);
        else assert.equal(job.state, 'aborted');
      }
      for (let i = 1; i < out.length; i++) assert.ok((out[i]?.atMs ?? 0) >= (out[i - 1]?.atMs ?? 0));
      const admitted = jobs.filter((job) => job.admittedMs >= 0).map((job) => job.admittedMs);
      assert.deepEqual(
        admitted,
        admitted.toSorted((a, b) => a - b),
      );
    }),
    { numRuns: 300 },
  );
});

test('the trace does not depend on how the caller cuts time', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 30, size: 'max' }), fc.integer({ min: 1, max: 9 }), (actions, stepMs) => {
      assert.deepEqual(play(actions, stepMs).out, play(actions, 1_000).out);
    }),
    { numRuns: 100 },
  );
});

test('thousands of requests cost little and leave nothing', () => {
  const scheduler = new SimScheduler<string>({ blocks: 32_768, blockSize: 16 });
  for (let i = 0; i < 3_000; i++) {
    scheduler.submit({ owner: 'x', promptIds: prompt(200, i % 16), outputTokens: 32 }, i);
  }
  const out = drain(scheduler);
  assert.equal(out.length, 3_000 * 32);
  assert.equal(scheduler.loads().usedTokens, 0);
});
