import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HealthState } from './health-state.js';
import { DEFAULT_HEALTH_CHECK, type HealthCheckSettings } from './worker-spec.js';

type Event = 'probe_ok' | 'probe_failed' | 'request_ok' | 'request_failed';

const anEvent = fc.constantFrom<Event>('probe_ok', 'probe_failed', 'request_ok', 'request_failed');
const someSettings = fc.record({
  unhealthyAfter: fc.integer({ min: 1, max: 4 }),
  healthyAfter: fc.integer({ min: 1, max: 4 }),
});

/** The rules said over the whole history instead of with counters. */
function healthByHistory(history: readonly Event[], settings: HealthCheckSettings): string {
  let health = 'pending';
  for (let now = 0; now < history.length; now += 1) {
    const past = history.slice(0, now + 1);
    const probes = past.filter((event) => event.startsWith('probe'));
    if (history[now] === 'probe_ok') {
      const run = probes.length - 1 - probes.lastIndexOf('probe_failed');
      if (health === 'pending' || run >= settings.healthyAfter) health = 'healthy';
    }
    if (history[now] === 'probe_failed' && health === 'healthy') {
      const failedProbes = probes.length - 1 - probes.lastIndexOf('probe_ok');
      const good = Math.max(past.lastIndexOf('probe_ok'), past.lastIndexOf('request_ok'));
      const failedRequests = past.slice(good + 1).filter((event) => event === 'request_failed').length;
      if (failedProbes + failedRequests >= settings.unhealthyAfter) health = 'unhealthy';
    }
  }
  return health;
}

test('health follows from the history of probes and requests', () => {
  fc.assert(
    fc.property(fc.array(anEvent, { maxLength: 40 }), someSettings, (history, thresholds) => {
      const settings = { ...DEFAULT_HEALTH_CHECK, ...thresholds };
      const state = new HealthState(settings);
      for (const [index, event] of history.entries()) {
        const before = state.health;
        if (event.startsWith('probe')) assert.equal(state.onProbe(event === 'probe_ok'), state.health !== before);
        else assert.equal(state.onOutcome(event === 'request_ok'), event === 'request_failed' && before === 'healthy');
        assert.equal(state.health, healthByHistory(history.slice(0, index + 1), settings));
      }
    }),
    { numRuns: 300 },
  );
});

test('requests alone take nobody out', () => {
  const state = new HealthState(DEFAULT_HEALTH_CHECK);
  state.onProbe(true);
  for (let i = 0; i < 100; i += 1) state.onOutcome(false);
  assert.equal(state.health, 'healthy');
  state.onProbe(false);
  assert.equal(state.health, 'unhealthy');
});

test('the pauses are short in doubt, spread out in health, and bounded', () => {
  fc.assert(
    fc.property(
      fc.array(anEvent, { maxLength: 30 }),
      fc.integer({ min: 10, max: 60_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (history, intervalMs, random) => {
        const state = new HealthState({ ...DEFAULT_HEALTH_CHECK, intervalMs });
        for (const event of history) {
          if (event.startsWith('probe')) state.onProbe(event === 'probe_ok');
          else state.onOutcome(event === 'request_ok');
        }
        const delayMs = state.nextDelayMs(random);
        assert.ok(delayMs > 0 && delayMs <= intervalMs * 1.1);
        if (state.health !== 'healthy') assert.ok(delayMs <= 5_000);
      },
    ),
  );
});

test('a worker that starts is found within tenths of a second, a dead one is asked every 5 s for ever', () => {
  const state = new HealthState(DEFAULT_HEALTH_CHECK);
  state.onProbe(false);
  assert.equal(state.nextDelayMs(0), 200);
  for (let i = 0; i < 100; i += 1) state.onProbe(false);
  assert.equal(state.health, 'pending');
  assert.equal(state.nextDelayMs(0), 5_000);
});
