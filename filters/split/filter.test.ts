import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { loadText } from '../../config/testing/load-text.js';
import type { Cluster, Clusters } from '../../core/api/index.js';
import { ConfigError } from '../../core/api/index.js';
import { loadPlugins } from '../../core/di/plugin-loader.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { startGateway } from '../../core/testing/gateway-fixture.js';
import { FakeClock } from '../../core/testing/index.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import { configSchema, SplitFilterConfig, unitHash } from './config.js';

function split(
  weights: Record<string, number>,
  random?: () => number,
  serving: readonly string[] = Object.keys(weights),
) {
  const all = Object.keys(weights).map(
    (name) => ({ name, serves: () => serving.includes(name) }) as unknown as Cluster,
  );
  const clusters = { get: (name: string) => all.find((each) => each.name === name) } as unknown as Clusters;
  return new SplitFilterConfig(
    configSchema.parse({ clusters: weights }),
    clusters,
    new FakeClock(),
    new StatsStore(),
    random,
  );
}

describe('the choice of a split', () => {
  it('follows the weights', () => {
    const counts: Record<string, number> = {};
    let at = 0;
    const shared = split({ a: 90, b: 9, c: 1, d: 0 }, () => (at++ % 100) / 100);
    for (let i = 0; i < 1000; i++) {
      const { name } = shared.choose(undefined, 'm') as Cluster;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    assert.deepEqual(counts, { a: 900, b: 90, c: 10 });
  });

  it('is the same for the same key, and spread by weight over keys', () => {
    const shared = split({ a: 3, b: 1 });
    fc.assert(
      fc.property(fc.string(), (key) => {
        const first = shared.choose(key, 'm');
        assert.equal(shared.choose(key, 'm'), first);
      }),
    );
    const onA = Array.from({ length: 4000 }, (_, i) => shared.choose(`session-${i}`, 'm')?.name).filter(
      (name) => name === 'a',
    );
    assert.ok(onA.length > 2850 && onA.length < 3150, `${onA.length}`);
    fc.assert(fc.property(fc.string(), (key) => unitHash(key) >= 0 && unitHash(key) < 1));
  });

  it('is among clusters that have the model, and none where none has it', () => {
    assert.equal(split({ a: 99, b: 1 }, () => 0, ['b']).choose(undefined, 'm')?.name, 'b');
    assert.equal(split({ a: 1 }, () => 0, []).choose(undefined, 'm'), undefined);
  });

  it('refuses weights that are all 0, and clusters that are not there', () => {
    assert.equal(configSchema.safeParse({ clusters: { a: 0 } }).success, false);
    assert.equal(configSchema.safeParse({ clusters: { a: -1 } }).success, false);
    const none = { get: () => undefined } as unknown as Clusters;
    const settings = configSchema.parse({ clusters: { a: 1 } });
    assert.throws(() => new SplitFilterConfig(settings, none, new FakeClock(), new StatsStore()), ConfigError);
  });
});

it('the example of the README loads', async () => {
  const page = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const { config } = await loadText(/```yaml\n([\s\S]*?)```/.exec(page)?.[1] as string, { catalog: loadPlugins });
  const names = config.filters.map(({ name }) => name);
  assert.equal(names[names.indexOf('model') + 1], 'split');
});

it('sessions stay where they are, both clusters serve', async () => {
  const sims = await Promise.all(['a', 'b'].map((name) => startTestSim({ name, models: ['m'], ttft: 0, itl: 0 })));
  const [a, b] = sims.map((sim) => sim.url);
  const gateway = await startGateway(`
clusters:
  - { name: stable, health: off, workers: [{ url: "${a}", models: [m], runtime: sglang }] }
  - { name: canary, health: off, workers: [{ url: "${b}", models: [m], runtime: sglang }] }
filters:
  - preset: standard
  - { name: split, after: model, config: { clusters: { stable: 1, canary: 1 }, sticky: x-session } }
  - { name: credentials, config: { routed_worker_id: true } }
`);
  try {
    const worker = async (session: string) => {
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-session': session },
        body: JSON.stringify({ model: 'm', max_tokens: 2, messages: [{ role: 'user', content: 'hi' }] }),
      });
      assert.equal(response.status, 200);
      await response.text();
      return response.headers.get('x-smg-routed-worker-id');
    };
    const seen = new Set<string | null>();
    for (let i = 0; i < 12; i++) {
      const first = await worker(`s${i}`);
      assert.equal(await worker(`s${i}`), first);
      seen.add(first);
    }
    assert.equal(seen.size, 2);
    assert.match(await gateway.metricsText(), /smg_split_requests_total\{cluster="canary"\} \d+/);
  } finally {
    await gateway.close();
    for (const sim of sims) await sim.close();
  }
});
