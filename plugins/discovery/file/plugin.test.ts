import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DiscoveredWorker } from '../../../core/api/index.js';
import { FakeClock } from '../../../core/testing/fake-clock.js';
import { advanceUntil, ContractLifetime, RecordingSink, testDiscoveryContract } from '../discovery-contract.js';
import factory from './factory.js';
import { parseWorkerList } from './worker-list.js';

const listOf = (urls: readonly string[]): string =>
  JSON.stringify({ version: 1, workers: urls.map((url) => ({ url })) });

testDiscoveryContract('file', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'smg-discovery-'));
  const path = join(dir, 'workers.json');
  return {
    serve: (addresses) => writeFile(path, listOf(addresses)),
    fail: () => writeFile(path, '{"version": 1, "workers": ['),
    create: (lifetime, clock) => factory.create(factory.configSchema.parse({ path }), lifetime, clock),
    close: () => rm(dir, { recursive: true }),
  };
});

/** A started file discovery in a folder of its own. */
async function started(name: string): Promise<{
  dir: string;
  path: string;
  clock: FakeClock;
  sink: RecordingSink;
  /** Lets only what events caused fall due, never the interval. */
  settle(holds: () => boolean): Promise<void>;
  end(): Promise<void>;
}> {
  const dir = await mkdtemp(join(tmpdir(), 'smg-discovery-'));
  const path = join(dir, name);
  const clock = new FakeClock();
  const sink = new RecordingSink();
  const lifetime = new ContractLifetime();
  const config = factory.configSchema.parse({ path, check_interval: '24h' });
  (await factory.create(config, lifetime, clock)).start(sink);
  await advanceUntil(clock, () => sink.count > 0);
  return {
    dir,
    path,
    clock,
    sink,
    settle: async (holds) => {
      for (let i = 0; i < 1_000 && !holds(); i++) {
        clock.advance(1);
        await sleep(5);
      }
      assert.ok(holds(), 'the change was not seen');
    },
    end: async () => {
      await lifetime.dispose();
      await rm(dir, { recursive: true });
    },
  };
}

describe('a watched list', () => {
  it('may appear after the start, be renamed over, and vanish without being forgotten', async () => {
    const { path, dir, sink, settle, end } = await started('workers.json');
    try {
      assert.deepEqual(sink.errors, [{ reason: 'missing', message: `${path}: ENOENT` }]);
      await writeFile(path, listOf(['http://a:1']));
      await settle(() => sink.urls.includes('http://a:1'));
      await writeFile(join(dir, 'next'), listOf(['http://b:1']));
      await rename(join(dir, 'next'), path);
      await settle(() => sink.urls.includes('http://b:1'));
      await unlink(path);
      await settle(() => sink.errors.filter(({ reason }) => reason === 'missing').length >= 2);
      assert.deepEqual(sink.urls, ['http://b:1']);
    } finally {
      await end();
    }
  });

  it('is followed through the links of a mounted ConfigMap', async () => {
    const { dir, path, sink, settle, end } = await started('workers.yaml');
    try {
      for (const [version, url] of [
        ['..v1', 'http://a:1'],
        ['..v2', 'http://b:1'],
      ] as const) {
        await mkdir(join(dir, version));
        await writeFile(join(dir, version, 'workers.yaml'), `version: 1\nworkers: [{ url: "${url}" }]\n`);
        await symlink(version, join(dir, 'data-next'));
        await rename(join(dir, 'data-next'), join(dir, '..data'));
        if (version === '..v1') await symlink('..data/workers.yaml', path);
        await settle(() => sink.urls.includes(url));
      }
      assert.deepEqual(sink.urls, ['http://b:1']);
    } finally {
      await end();
    }
  });
});

describe('parseWorkerList', () => {
  const parse = (value: unknown): DiscoveredWorker[] =>
    parseWorkerList(typeof value === 'string' ? value : JSON.stringify(value), 'json');
  const one = (worker: object): object => ({ version: 1, workers: [worker] });

  it('takes every key, and null as absent', () => {
    const [worker, bare] = parse({
      version: 1,
      workers: [
        {
          id: 'gpu-7',
          url: 'http://a:1/',
          worker_type: 'regular',
          model_id: 'm',
          bootstrap_port: null,
          kv_role: null,
          api_key: 'k',
          labels: { zone: 'x' },
          priority: 7,
          cost: 2,
          weight: 3,
          runtime: 'vllm',
        },
        { url: '10.0.0.1:8000', models: ['a', 'b'] },
      ],
    });
    assert.deepEqual(worker, {
      id: 'gpu-7',
      url: 'http://a:1',
      workerType: 'regular',
      models: ['m'],
      apiKey: 'k',
      labels: { zone: 'x' },
      priority: 7,
      cost: 2,
      weight: 3,
      runtime: 'vllm',
    });
    assert.deepEqual([bare?.url, bare?.models], ['10.0.0.1:8000', ['a', 'b']]);
  });

  it('refuses the whole list, naming the place and never a value', () => {
    const cases: [unknown, RegExp][] = [
      ['', /^is empty$/],
      ['{"version":1,"workers":[{"url":"http://a:1","api_key":"MARKED"]}', /^is not valid JSON/],
      [[], /expected object/],
      [{ workers: [] }, /^version: must be 1$/],
      [{ version: 2, workers: [] }, /^version: must be 1$/],
      [{ version: 1 }, /^workers: /],
      [{ version: 1, workers: [], extra: 1 }, /^unknown key extra$/],
      [one({ url: 'http://a:1', prioritty: 1, api_key: 'MARKED' }), /^workers\[0\]: unknown key prioritty$/],
      [one({}), /^workers\[0\]\.url: /],
      [one({ url: 'http://' }), /^workers\[0\]\.url: is not a valid URL/],
      [one({ url: 'ftp://a' }), /must start with http/],
      [one({ url: 'grpc://a:1' }), /grpc:\/\/ are not built yet/],
      [one({ url: 'http://u:MARKED@a' }), /must hold no user name or password/],
      [one({ url: 'http://a:1', worker_type: 'prefill' }), /worker_type: only regular/],
      [one({ url: 'http://a:1', bootstrap_port: 9 }), /bootstrap_port: disaggregated/],
      [one({ url: 'http://a:1', kv_role: 'producer' }), /kv_role: disaggregated/],
      [one({ url: 'http://a:1', model_id: 'a', models: ['b'] }), /models: stands beside/],
      [one({ url: 'http://a:1', cost: 0 }), /workers\[0\]\.cost: /],
      [{ version: 1, workers: [{ url: 'http://a:1' }, { url: 'http://a:1/' }] }, /workers\[1\]\.url: the same/],
    ];
    for (const [value, message] of cases) {
      assert.throws(
        () => parse(value),
        (error: Error) => message.test(error.message) && !error.message.includes('MARKED'),
        JSON.stringify(value),
      );
    }
    assert.throws(() => parseWorkerList('version: 1\nworkers: [\n  MARKED', 'yaml'), /valid YAML at line \d+/);
  });
});
