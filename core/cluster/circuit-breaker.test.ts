import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type BreakerSettings,
  BreakerState,
  CircuitBreaker,
  DEFAULT_BREAKER,
  SLOW_START_MS,
} from './circuit-breaker.js';

const { Closed, Open, HalfOpen } = BreakerState;

/** The same rules told the long way round: every outcome is kept. */
class NaiveBreaker {
  state: BreakerState = Closed;
  sinceMs = -1;
  run = 0;
  good = 0;
  probes = new Set<number>();
  outcomes: { bucket: number; failed: boolean }[] = [];
  readonly settings: BreakerSettings;

  constructor(settings: BreakerSettings) {
    this.settings = settings;
  }

  enter(state: BreakerState, nowMs: number): void {
    this.state = state;
    this.sinceMs = nowMs;
    this.run = 0;
    this.good = 0;
    this.probes.clear();
  }

  end(nowMs: number, startedMs: number, failed: boolean): void {
    if (startedMs < this.sinceMs) return;
    if (this.state === HalfOpen && failed) this.enter(Open, nowMs);
    if (this.state !== Closed) return;
    this.run = failed ? this.run + 1 : 0;
    const bucketMs = this.settings.windowMs / 12;
    const bucket = Math.floor(nowMs / bucketMs);
    this.outcomes.push({ bucket, failed });
    if (!failed) return;
    const recent = this.outcomes.filter((outcome) => outcome.bucket > bucket - 12);
    const failures = recent.filter((outcome) => outcome.failed).length;
    if (this.run >= this.settings.failures || (recent.length >= 20 && failures * 2 >= recent.length)) {
      this.enter(Open, nowMs);
    }
  }

  head(nowMs: number, startedMs: number): void {
    if (this.state !== HalfOpen || startedMs < this.sinceMs) return;
    this.good += 1;
    if (this.good < this.settings.successes) return;
    this.enter(Closed, nowMs);
    this.outcomes = [];
  }
}

const step = fc.record({
  waitMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 3_000 })),
  kind: fc.constantFrom('dispatch', 'head', 'success', 'failure', 'done', 'promote'),
  pick: fc.nat(),
});

function fail(breaker: CircuitBreaker, times: number, nowMs = 0): void {
  for (let i = 0; i < times; i += 1) breaker.onFailure(nowMs, nowMs);
}

describe('circuit breaker', () => {
  it('is the plain model, whatever happens in whatever order', () => {
    const settings = fc.record({
      failures: fc.integer({ min: 1, max: 12 }),
      successes: fc.integer({ min: 1, max: 4 }),
      openMs: fc.integer({ min: 1, max: 2_000 }),
      windowMs: fc.integer({ min: 120, max: 6_000 }),
    });
    fc.assert(
      fc.property(settings, fc.array(step, { maxLength: 200 }), (limits, steps) => {
        const breaker = new CircuitBreaker(limits);
        const model = new NaiveBreaker(limits);
        const requests: { id: number; startedMs: number; ticket: number }[] = [];
        let nowMs = 0;
        let id = 0;
        for (const { waitMs, kind, pick } of steps) {
          nowMs += waitMs;
          const becameHalfOpen = breaker.tick(nowMs);
          const modelDue = model.state === Open && nowMs >= model.sinceMs + limits.openMs;
          if (modelDue) model.enter(HalfOpen, nowMs);
          assert.equal(becameHalfOpen, modelDue);
          const request = requests[pick % Math.max(requests.length, 1)];
          if (kind === 'dispatch' && breaker.permits) {
            id += 1;
            requests.push({ id, startedMs: nowMs, ticket: breaker.onDispatch() });
            if (model.state === HalfOpen) model.probes.add(id);
          } else if (kind === 'promote') {
            breaker.halfOpen(nowMs);
            if (model.state === Open) model.enter(HalfOpen, nowMs);
          } else if (request !== undefined && kind === 'done') {
            requests.splice(requests.indexOf(request), 1);
            breaker.onDone(request.ticket);
            model.probes.delete(request.id);
          } else if (request !== undefined && kind !== 'dispatch') {
            if (kind === 'head') breaker.onAnswering(nowMs, request.startedMs);
            else if (kind === 'success') breaker.onSuccess(nowMs, request.startedMs);
            else breaker.onFailure(nowMs, request.startedMs);
            if (kind === 'head') model.head(nowMs, request.startedMs);
            else model.end(nowMs, request.startedMs, kind === 'failure');
          }
          assert.equal(breaker.state, model.state);
          assert.equal(breaker.probes, model.probes.size);
          assert.ok(breaker.probes >= 0 && breaker.probes <= limits.successes);
          assert.equal(
            breaker.permits,
            model.state === Closed || (model.state === HalfOpen && model.probes.size < limits.successes),
          );
          if (model.state === Closed) assert.equal(breaker.consecutiveFailures, model.run);
          const warmth = breaker.warmth(nowMs);
          assert.ok(warmth > 0 && warmth <= 1);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('opens after ten failures in a row, not after nine and a success', () => {
    const breaker = new CircuitBreaker(DEFAULT_BREAKER);
    fail(breaker, 9);
    breaker.onSuccess(0, 0);
    fail(breaker, 9);
    assert.equal(breaker.state, Closed);
    fail(breaker, 1);
    assert.equal(breaker.state, Open);
    assert.equal(breaker.permits, false);
  });

  it('opens when half of twenty fail, however they are mixed; old outcomes are forgotten', () => {
    const mixed = (gapMs: number): CircuitBreaker => {
      const breaker = new CircuitBreaker(DEFAULT_BREAKER);
      for (let i = 0; i < 20; i += 1) {
        if (i % 2 === 0) breaker.onSuccess(i * gapMs, i * gapMs);
        else breaker.onFailure(i * gapMs, i * gapMs);
      }
      return breaker;
    };
    assert.equal(mixed(1_000).state, Open);
    assert.equal(mixed(20_000).state, Closed);
  });

  it('lets three in at a time, closes after three good answers and warms up', () => {
    const breaker = new CircuitBreaker(DEFAULT_BREAKER);
    fail(breaker, 10);
    assert.equal(breaker.tick(59_999), false);
    assert.equal(breaker.tick(60_000), true);
    const tickets = [breaker.onDispatch(), breaker.onDispatch(), breaker.onDispatch()];
    assert.equal(breaker.permits, false);
    breaker.onDone(tickets[0] as number);
    assert.equal(breaker.permits, true, 'one that said nothing gives its place back');
    breaker.onDispatch();
    for (let i = 0; i < 3; i += 1) breaker.onAnswering(60_001, 60_000);
    assert.equal(breaker.state, Closed);
    const shares = [0, 0.25, 0.5, 1, 2].map((part) => breaker.warmth(60_001 + part * SLOW_START_MS));
    assert.deepEqual(shares, [0.1, 0.325, 0.55, 1, 1]);
    breaker.onDone(tickets[1] as number);
    assert.equal(breaker.probes, 0);
  });

  it('one failure of a probe opens it again for as long; one of an older request does not', () => {
    const breaker = new CircuitBreaker(DEFAULT_BREAKER);
    fail(breaker, 10);
    breaker.tick(60_000);
    breaker.onFailure(60_001, 59_999);
    assert.equal(breaker.state, HalfOpen);
    breaker.onFailure(60_001, 60_000);
    assert.equal(breaker.state, Open);
    assert.equal(breaker.tick(120_000), false);
    assert.equal(breaker.tick(120_001), true);
  });

  it('a request that tried the worker under another breaker gives no place back', () => {
    const [old, next] = [0, 1].map(() => {
      const breaker = new CircuitBreaker({ ...DEFAULT_BREAKER, failures: 1 });
      breaker.onFailure(0, 0);
      breaker.halfOpen(1);
      return breaker;
    }) as [CircuitBreaker, CircuitBreaker];
    const ticket = old.onDispatch();
    next.onDispatch();
    next.onDone(ticket);
    assert.equal(next.probes, 1);
  });
});
