import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FakeClock } from '../testing/fake-clock.js';
import { settle } from './health-bench.fixture.js';
import { HealthChecker } from './health-checker.js';
import { ScriptedClient } from './scripted-client.fixture.js';
import { ManagedWorker } from './worker.js';
import { createWorkerSpec } from './worker-spec.fixture.js';

const OBSERVER = { onWorkerOutcome() {}, onWorkerIdle() {}, onWorkerChange() {} };

describe('probes of a large fleet', () => {
  let clock: FakeClock;
  let client: ScriptedClient;
  let checker: HealthChecker;
  let fleet: ManagedWorker[];

  beforeEach(() => {
    clock = new FakeClock();
    client = new ScriptedClient();
    checker = new HealthChecker({ client, clock, random: () => 0.5 });
    fleet = [];
  });

  afterEach(() => {
    for (const worker of fleet) checker.stop(worker);
    assert.equal(clock.pendingTimers, 0);
  });

  /** Workers whose base path says how they answer. */
  function add(count: number, path: string): ManagedWorker[] {
    const added = Array.from({ length: count }, (_, index) => {
      const url = `http://worker-${fleet.length + index}/${path}`;
      return new ManagedWorker(createWorkerSpec({ url }), OBSERVER, undefined);
    });
    for (const worker of added) checker.start(worker);
    fleet.push(...added);
    return added;
  }

  /** Until every new worker was probed. */
  async function settleFirst(): Promise<void> {
    while (client.asked.length < fleet.length) await settle();
    await settle();
  }

  /** Probes by path, in this time. */
  async function during(ms: number): Promise<Map<string, number>> {
    const from = client.asked.length;
    for (let passedMs = 0; passedMs < ms; passedMs += 250) {
      clock.advance(250);
      await settle();
    }
    const counts = new Map<string, number>();
    for (const path of client.paths().slice(from)) counts.set(path, (counts.get(path) ?? 0) + 1);
    return counts;
  }

  it('that is well and too large for its interval is probed less often', async () => {
    client.answers = { '/up/health': 200 };
    add(2_000, 'up');
    await settleFirst();
    // All have the same phase here, and wait for each other.
    await during(20_000);
    const probes = (await during(20_000)).get('/up/health') ?? 0;
    assert.ok(probes > 1_500 && probes <= 2_050, `${probes}`);
  });

  it('2,000 dead workers stay within the cap too, and one that comes back is noticed within 35 s', async () => {
    client.answers = { '/dead/health': 0, '/back/health': 0 };
    add(1_999, 'dead');
    const [back] = add(1, 'back') as [ManagedWorker];
    await settleFirst();
    for (let second = 0; second < 30; second += 1) {
      let probes = 0;
      for (const count of (await during(1_000)).values()) probes += count;
      assert.ok(probes <= 130, `second ${second}: ${probes}`);
      assert.ok(second === 0 || probes <= 85, `second ${second}: ${probes}`);
    }
    client.answers = { ...client.answers, '/back/health': 200 };
    await during(32_000);
    assert.equal(back.health, 'healthy');
  });

  it('a fleet that dies at once stays within the cap, and is out within little more than two minutes', async () => {
    client.answers = { '/up/health': 200 };
    add(2_000, 'up');
    await settleFirst();
    client.answers = { '/up/health': 0 };
    for (let second = 0; second < 10; second += 1) {
      const probes = (await during(1_000)).get('/up/health') ?? 0;
      assert.ok(probes <= 130, `second ${second}: ${probes}`);
    }
    await during(120_000);
    assert.equal(fleet.filter(({ health }) => health === 'healthy').length, 0);
  });

  it('neither the dead nor the well keep probes from the others', async () => {
    client.answers = { '/up/health': 200, '/dead/health': 0 };
    add(1_000, 'up');
    add(1_000, 'dead');
    await settleFirst();
    await during(10_000);
    const counts = await during(20_000);
    for (const path of ['/up/health', '/dead/health']) {
      const probes = counts.get(path) ?? 0;
      assert.ok(probes >= 600, `${path}: ${probes}`);
    }
  });

  it('a lone dead worker of a large fleet is probed as often as in a small one', async () => {
    client.answers = { '/up/health': 200, '/dead/health': 0 };
    add(1_999, 'up');
    add(1, 'dead');
    await settleFirst();
    await during(20_000);
    const probes = (await during(20_000)).get('/dead/health') ?? 0;
    assert.ok(probes >= 3, `${probes}`);
  });

  it('a request that fails has its worker probed at once although a thousand others wait', async () => {
    client.answers = { '/up/health': 200, '/dead/health': 0 };
    add(1_999, 'dead');
    const [up] = add(1, 'up') as [ManagedWorker];
    await settleFirst();
    await during(5_000);
    up.recordOutcome('failure', 0);
    checker.probeSoon(up);
    const counts = await during(250);
    assert.equal(counts.get('/up/health'), 1);
  });
});
