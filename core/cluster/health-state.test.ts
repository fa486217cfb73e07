import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { failedAfterMs, HealthState } from './health-state.js';
import { DEFAULT_HEALTH_CHECK, type HealthCheckSettings } from './worker-spec.js';

type Kind = 'probe_ok' | 'probe_failed' | 'request_ok' | 'request_failed';

interface Event {
  readonly kind: Kind;
  readonly atMs: number;
}

const aKind = fc.constantFrom<Kind>('probe_ok', 'probe_failed', 'request_ok', 'request_failed');
const INTERVAL_MS = 10;
/** Mostly failing probes, so that runs of them are long enough to fail a worker. */
const aHistory = fc
  .array(fc.tuple(fc.oneof(aKind, fc.constant<Kind>('probe_failed')), fc.integer({ min: 0, max: 40 })), {
    maxLength: 40,
  })
  .map((steps) => {
    let atMs = 0;
    return steps.map(([kind, afterMs]): Event => {
      atMs += afterMs;
      return { kind, atMs };
    });
  });
const someSettings = fc.record({
  unhealthyAfter: fc.integer({ min: 1, max: 4 }),
  healthyAfter: fc.integer({ min: 1, max: 4 }),
});

/** Down, failed, failed still, and up again: chance alone seldom brings a worker back from there. */
const FAILED_AND_BACK: Event[] = [
  { kind: 'probe_ok', atMs: 0 },
  { kind: 'probe_failed', atMs: 0 },
  { kind: 'probe_failed', atMs: 30 },
  { kind: 'probe_failed', atMs: 40 },
  { kind: 'probe_ok', atMs: 50 },
];

/** The rules said over the whole history instead of with counters. */
function healthByHistory(history: readonly Event[], settings: HealthCheckSettings): string {
  let health = 'pending';
  for (let now = 0; now < history.length; now += 1) {
    const past = history.slice(0, now + 1);
    const kinds = past.map(({ kind }) => kind);
    const probes = past.filter(({ kind }) => kind.startsWith('probe'));
    const lastGood = probes.findLastIndex(({ kind }) => kind === 'probe_ok');
    const failing = probes.slice(lastGood + 1);
    const { kind, atMs } = history[now] as Event;
    if (kind === 'probe_ok') {
      const run = probes.length - 1 - probes.findLastIndex((probe) => probe.kind === 'probe_failed');
      if (health === 'pending' || run >= settings.healthyAfter) health = 'healthy';
    } else if (kind === 'probe_failed' && health === 'healthy') {
      const good = Math.max(kinds.lastIndexOf('probe_ok'), kinds.lastIndexOf('request_ok'));
      const failedRequests = kinds.slice(good + 1).filter((each) => each === 'request_failed').length;
      if (failing.length + failedRequests >= settings.unhealthyAfter) health = 'unhealthy';
    } else if (kind === 'probe_failed' && health === 'unhealthy') {
      const limitMs = 3 * settings.unhealthyAfter * settings.intervalMs;
      if (atMs - (failing[0] as Event).atMs >= limitMs) health = 'failed';
    }
  }
  return health;
}

test('health follows from the history of probes and requests', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(aHistory, someSettings, (history, thresholds) => {
      const settings = { ...DEFAULT_HEALTH_CHECK, intervalMs: INTERVAL_MS, ...thresholds };
      const state = new HealthState(settings);
      for (const [index, { kind, atMs }] of history.entries()) {
        const before = state.health;
        if (kind.startsWith('probe')) assert.equal(state.onProbe(kind === 'probe_ok', atMs), state.health !== before);
        else assert.equal(state.onOutcome(kind === 'request_ok'), kind === 'request_failed' && before === 'healthy');
        assert.equal(state.health, healthByHistory(history.slice(0, index + 1), settings));
        seen.add(`${before} ${state.health}`);
      }
    }),
    { numRuns: 500, examples: [[FAILED_AND_BACK, { unhealthyAfter: 1, healthyAfter: 1 }]] },
  );
  for (const change of ['unhealthy failed', 'failed healthy', 'failed failed']) assert.ok(seen.has(change), change);
});

test('requests alone take nobody out', () => {
  const state = new HealthState(DEFAULT_HEALTH_CHECK);
  state.onProbe(true, 0);
  for (let i = 0; i < 100; i += 1) state.onOutcome(false);
  assert.equal(state.health, 'healthy');
  state.onProbe(false, 0);
  assert.equal(state.health, 'unhealthy');
});

test('the pauses are short in doubt, spread out in health, and bounded', () => {
  fc.assert(
    fc.property(
      aHistory,
      fc.integer({ min: 10, max: 60_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (history, intervalMs, random) => {
        const state = new HealthState({ ...DEFAULT_HEALTH_CHECK, intervalMs }, 'healthy');
        for (const { kind, atMs } of history) {
          if (kind.startsWith('probe')) state.onProbe(kind === 'probe_ok', atMs);
          else state.onOutcome(kind === 'request_ok');
        }
        const delayMs = state.nextDelayMs(random);
        assert.ok(delayMs > 0 && delayMs <= intervalMs * 1.1);
        if (state.health === 'unhealthy') assert.ok(delayMs <= 5_000);
        if (state.health === 'failed') assert.ok(delayMs <= 30_000);
      },
    ),
  );
});

test('a worker that went down is asked every 5 s, then has failed and is asked at the pace of the others, for ever', () => {
  const settings = { ...DEFAULT_HEALTH_CHECK, intervalMs: 20_000 };
  const state = new HealthState(settings, 'healthy');
  for (let i = 0; i < 9; i += 1) state.onProbe(false, i);
  assert.deepEqual([state.health, state.nextDelayMs(0)], ['unhealthy', 5_000]);
  state.onProbe(false, failedAfterMs(settings) - 1);
  assert.equal(state.health, 'unhealthy');
  state.onProbe(false, failedAfterMs(settings));
  assert.deepEqual([state.health, state.nextDelayMs(0)], ['failed', 20_000]);
  state.onProbe(true, 900_000);
  assert.deepEqual([state.health, state.nextDelayMs(0)], ['failed', 1_000]);
  state.onProbe(true, 901_000);
  assert.equal(state.health, 'healthy');
});
