import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import type { LoadHold } from '../api/worker.js';
import { renderPrometheus } from '../telemetry/prometheus-exposition.js';
import { StatsStore } from '../telemetry/stats-store.js';
import { FakeClock } from '../testing/fake-clock.js';
import { createEngineLoad, readLoads } from './engine-metrics.js';
import { DEFAULT_PROTECTION } from './protection-settings.js';
import { ProtectionStats } from './protection-stats.js';
import { ManagedWorker } from './worker.js';
import { WorkerGuard } from './worker-guard.js';
import { createWorkerSpec } from './worker-spec.fixture.js';

const STREAM = { promptTokens: 10, streams: true };
const WHOLE = { promptTokens: 10, streams: false };
const WEDGE_MS = DEFAULT_PROTECTION.liveness.wedgeMs;
/** The allowed silence, the time for a few short prompts and one look more. */
const LATE_MS = WEDGE_MS * 1.5;

describe('watch for requests that hang', () => {
  let clock: FakeClock;
  let stats: StatsStore;
  let worker: ManagedWorker;
  let guard: WorkerGuard;
  let questions: number;
  let holds: LoadHold[];

  beforeEach(() => start());

  function start(runtime: 'vllm' | 'external' = 'vllm'): void {
    clock = new FakeClock();
    stats = new StatsStore();
    questions = 0;
    holds = [];
    worker = new ManagedWorker(
      createWorkerSpec({ runtime }),
      { onWorkerOutcome() {}, onWorkerIdle() {}, onWorkerChange() {} },
      undefined,
    );
    worker.setHealth('healthy');
    guard = new WorkerGuard(worker, {
      clock,
      stats: new ProtectionStats(stats),
      probeSoon() {},
      askLoad: () => {
        questions += 1;
      },
    });
    worker.guard = guard;
  }

  afterEach(() => {
    for (const hold of holds) hold.release();
    assert.equal(worker.inDoubt, false);
    assert.deepEqual([worker.progress.expecting, worker.progress.pendingPromptTokens], [0, 0]);
    assert.equal(clock.pendingTimers, 0, 'no timer without requests');
  });

  function send(work = STREAM): LoadHold {
    const hold = worker.acquireLoad(undefined, work);
    holds.push(hold);
    return hold;
  }

  function report(usedTokens: number, waiting = 0): void {
    const read = readLoads({
      loads: [{ num_used_tokens: usedTokens, max_total_num_tokens: 9_999, num_waiting_reqs: waiting }],
    });
    assert.ok(read !== undefined);
    worker.setEngineLoad(createEngineLoad(read, { receivedMs: 0, timestampMs: 0, ownInFlight: 0 }));
  }

  it('streams that pile up without a token take the worker out; the next token brings it back at once', () => {
    const first = send();
    clock.advance(500);
    send();
    clock.advance(WEDGE_MS - 501);
    assert.equal(worker.inDoubt, false);
    clock.advance(LATE_MS - WEDGE_MS + 1);
    assert.equal(worker.inDoubt, true);
    assert.match(renderPrometheus(stats), /smg_worker_stall_transitions_total\{worker="[^"]+",reason="wedge"\} 1\n/);
    worker.recordContact();
    guard.onProbe(true);
    assert.equal(worker.inDoubt, true, 'a head, or a probe that is answered, is no token');
    first.answer?.onPiece();
    assert.equal(worker.inDoubt, false);
  });

  it('one that hangs alone is no pile, and pieces of any answer speak for the engine', () => {
    const only = send();
    clock.advance(60_000);
    assert.equal(worker.inDoubt, false);
    for (let i = 0; i < 20; i += 1) {
      send();
      only.answer?.onPiece();
      clock.advance(WEDGE_MS - 1_000);
    }
    assert.equal(worker.inDoubt, false);
  });

  it('answers that are not streamed prove nothing alone', () => {
    for (let i = 0; i < 30; i += 1) {
      send(WHOLE);
      clock.advance(1_000);
    }
    assert.equal(worker.inDoubt, false);
    assert.ok(questions > 0, 'but the engine is asked');
  });

  it('with reports that stand still they do, however the queue grows; one that moves ends it', () => {
    send(WHOLE);
    for (let second = 0; second < 6; second += 1) {
      send(WHOLE);
      report(500, second);
      clock.advance(1_000);
    }
    assert.equal(worker.inDoubt, true);
    report(501, 6);
    assert.equal(worker.inDoubt, false);
  });

  it('an engine that moves by its reports is not wedged although no stream gets a token', () => {
    send();
    for (let second = 0; second < 20; second += 1) {
      send();
      report(500 + second, second);
      clock.advance(1_000);
    }
    assert.equal(worker.inDoubt, false);
  });

  it('long prompts are given the time that they take, two minutes at most', () => {
    send({ promptTokens: 40_000, streams: true });
    clock.advance(100);
    send();
    clock.advance(20_000);
    assert.equal(worker.inDoubt, false);
    clock.advance(5_000);
    assert.equal(worker.inDoubt, true);
    for (const hold of holds.splice(0)) hold.release();
    send({ promptTokens: 10_000_000, streams: true });
    clock.advance(119_000);
    assert.equal(worker.inDoubt, false);
    clock.advance(3_000);
    assert.equal(worker.inDoubt, true);
  });

  it('streams that are not read, because their clients are slow, are owed nothing', () => {
    const held = [send(), send()];
    for (const { answer } of held) answer?.onPaused(true);
    clock.advance(60_000);
    assert.equal(worker.inDoubt, false);
    clock.advance(100);
    send().answer?.onPaused(true);
    held[0]?.answer?.onPaused(false);
    clock.advance(LATE_MS);
    assert.equal(worker.inDoubt, true);
  });

  it('it ends with the last request; then the next one that hangs is enough, until a token has come', () => {
    const hang = (): void => {
      send();
      clock.advance(LATE_MS);
    };
    send();
    clock.advance(100);
    hang();
    assert.equal(worker.inDoubt, true);
    for (const hold of holds.splice(0)) hold.release();
    assert.equal(worker.inDoubt, false);
    hang();
    assert.equal(worker.inDoubt, true);
    for (const hold of holds.splice(0)) hold.release();
    send().answer?.onPiece();
    for (const hold of holds.splice(0)) hold.release();
    hang();
    assert.equal(worker.inDoubt, false);
  });

  it('providers are not watched, nor is anything when it is switched off', () => {
    send();
    clock.advance(100);
    send();
    clock.advance(LATE_MS);
    assert.equal(worker.inDoubt, true);
    const liveness = { ...DEFAULT_PROTECTION.liveness, wedgeMs: 0 };
    worker.applySpec({ ...worker.spec(), protection: { ...DEFAULT_PROTECTION, liveness } });
    guard.configure();
    assert.equal(worker.inDoubt, false);
    for (const hold of holds.splice(0)) hold.release();
    start('external');
    send();
    send();
    assert.equal(clock.pendingTimers, 0);
  });

  it('under any schedule: never without streams, never soon after a piece, and nothing is left', () => {
    const step = fc.tuple(
      fc.constantFrom('stream', 'whole', 'piece', 'end', 'wait', 'pause', 'resume'),
      fc.nat(),
      fc.integer({ min: 1, max: 2_000 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        start();
        let pieceMs = clock.monotonicMs();
        for (const [name, at, ms] of steps) {
          const hold = holds[at % Math.max(holds.length, 1)];
          if (name === 'stream') send(STREAM);
          else if (name === 'whole') send(WHOLE);
          else if (name === 'piece' && hold !== undefined) {
            hold.answer?.onPiece();
            pieceMs = clock.monotonicMs();
          } else if (name === 'end' && hold !== undefined) {
            hold.release();
            holds.splice(holds.indexOf(hold), 1);
          } else if (name === 'pause' || name === 'resume') hold?.answer?.onPaused(name === 'pause');
          else if (name === 'wait') clock.advance(ms);
          const { expecting, pendingPromptTokens } = worker.progress;
          assert.ok(expecting >= 0 && expecting <= holds.length && pendingPromptTokens >= 0);
          if (worker.inDoubt) {
            assert.ok(holds.length > 0);
            assert.ok(clock.monotonicMs() - pieceMs >= WEDGE_MS);
          }
        }
        for (const hold of holds.splice(0)) hold.release();
        assert.deepEqual([worker.inDoubt, worker.progress.expecting, clock.pendingTimers], [false, 0, 0]);
      }),
    );
  });
});
