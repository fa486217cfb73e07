import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { ResponseHeaders } from '../api/headers.js';
import type { UpstreamClient, UpstreamHandler } from '../api/upstream.js';
import { SystemClock } from '../server/system-clock.js';
import { renderPrometheus } from '../telemetry/prometheus-exposition.js';
import { StatsStore } from '../telemetry/stats-store.js';
import { FakeClock } from '../testing/fake-clock.js';
import { HealthChecker } from './health-checker.js';
import { LoadMonitor } from './load-monitor.js';
import { LoadStats } from './load-stats.js';
import { DEFAULT_PROTECTION, type ProtectionSettings } from './protection-settings.js';
import { HttpUpstreamClient } from './upstream-client.js';
import type { ManagedWorker } from './worker.js';
import { WorkerProtection } from './worker-protection.js';
import { WorkerRegistry } from './worker-registry.js';
import { createWorkerSpec } from './worker-spec.fixture.js';
import { DEFAULT_HEALTH_CHECK, type WorkerSpec } from './worker-spec.js';

interface Bench {
  readonly worker: ManagedWorker;
  readonly clock: FakeClock;
  readonly stats: StatsStore;
  readonly asked: string[];
  readonly registry: WorkerRegistry;
  readonly spec: WorkerSpec;
  readonly monitor: LoadMonitor;
  /** Lets the next question be asked and answered. */
  round(): Promise<void>;
}

function loads(waiting: number, usage: number): string {
  return JSON.stringify({
    loads: [{ dp_rank: 0, num_running_reqs: 1, num_waiting_reqs: waiting, token_usage: usage }],
  });
}

describe('load monitor', () => {
  const open: (() => void)[] = [];

  afterEach(() => {
    for (const close of open.splice(0).reverse()) close();
  });

  async function listen(handler: RequestListener): Promise<Server> {
    const server = createServer(handler);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return server;
  }

  /** `answers` by path; a function may change its mind. */
  async function createBench(
    answers: Record<string, () => [status: number, body: string]>,
    runtime: WorkerSpec['runtime'] = 'sglang',
    protection: ProtectionSettings = DEFAULT_PROTECTION,
  ): Promise<Bench> {
    const asked: string[] = [];
    let answered = 0;
    const server = await listen((request, response) => {
      const path = (request.url as string).split('?')[0] as string;
      asked.push(path);
      const [status, body] = answers[path]?.() ?? [404, '{}'];
      response.writeHead(status).end(body);
      answered += 1;
    });
    const clock = new FakeClock();
    const stats = new StatsStore();
    const client = new HttpUpstreamClient({ clock: new SystemClock() });
    const checker = new HealthChecker({ client, clock });
    const pools = { configure(): void {}, close(): void {} };
    const registry = new WorkerRegistry({ checker, pools, clock, stats: undefined });
    const guard = new WorkerProtection(registry, { clock, stats: undefined, probeSoon() {}, askLoad() {} });
    const monitor = new LoadMonitor(registry, { client, clock, stats: new LoadStats(stats), random: () => 0.5 });
    open.push(() => {
      monitor.close();
      guard.close();
      registry.close();
      client.closeAll();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const health = { ...DEFAULT_HEALTH_CHECK, enabled: false };
    const spec = createWorkerSpec({ url, runtime, health, protection });
    const [worker] = registry.update('test', [spec]) as [ManagedWorker];
    return {
      worker,
      clock,
      stats,
      asked,
      registry,
      spec,
      monitor,
      round: async () => {
        const before = answered;
        clock.advance(80_000);
        for (let i = 0; i < 200 && (answered === before || clock.pendingTimers === 0); i += 1) {
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      },
    };
  }

  it('reports come from /v1/loads, flag at the limit and unflag below it', async () => {
    let waiting = 8;
    const bench = await createBench({ '/v1/loads': () => [200, loads(waiting, 0.1)] });
    const count = (): string =>
      /smg_workers_overloaded\{model="m"\} (\d+)/.exec(renderPrometheus(bench.stats))?.[1] ?? '';
    await bench.round();
    assert.equal(bench.worker.engineLoad?.waitingRequests, 8);
    assert.equal(bench.worker.overloaded, true);
    assert.equal(count(), '1');
    waiting = 7;
    await bench.round();
    assert.equal(bench.worker.overloaded, false);
    assert.equal(count(), '0');
    assert.match(
      renderPrometheus(bench.stats),
      /smg_engine_waiting_requests\{worker="[^"]+",model="m",dp_rank="0"\} 7\n/,
    );
  });

  it('an idle worker is asked together with a probe, once it was left alone for a while', async () => {
    const bench = await createBench({ '/v1/loads': () => [200, loads(0, 0)] });
    await bench.round();
    for (let i = 0; i < 200 && bench.clock.pendingTimers === 0; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    bench.monitor.onProbe(bench.worker);
    assert.equal(bench.clock.pendingTimers, 1, 'too soon');
    bench.clock.advance(45_000);
    assert.equal(bench.asked.length, 1);
    bench.monitor.onProbe(bench.worker);
    bench.monitor.onProbe(bench.worker);
    assert.equal(bench.clock.pendingTimers, 0, 'it is being asked');
    await bench.round();
    assert.equal(bench.asked.length, 2);
  });

  it('an idle worker that gets a request is asked at the next usual time, not after its long rest', async () => {
    const bench = await createBench({ '/v1/loads': () => [200, loads(0, 0)] });
    const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));
    await bench.round();
    await settle();
    const { pollMs } = DEFAULT_PROTECTION.load;
    for (let i = 0; i < 3; i++) bench.clock.advance(pollMs);
    await settle();
    assert.equal(bench.asked.length, 1, 'idle: left alone');
    const hold = bench.worker.acquireLoad();
    for (let i = 0; i < 2; i++) bench.clock.advance(pollMs);
    await settle();
    assert.equal(bench.asked.length, 2);
    hold.release();
  });

  it('KV usage flags too, and limits of the worker stand for those of the gateway', async () => {
    const own = { ...DEFAULT_PROTECTION, overload: { waitingRequests: undefined, kvUsage: 0.5 } };
    const bench = await createBench({ '/v1/loads': () => [200, loads(99, 0.5)] }, 'sglang', own);
    await bench.round();
    assert.equal(bench.worker.overloaded, true);
    bench.registry.update('test', [
      { ...bench.spec, protection: { ...own, overload: { waitingRequests: 100, kvUsage: 0.6 } } },
    ]);
    assert.equal(bench.worker.overloaded, false, 'new limits count at once');
  });

  it('a question that fails clears report and flag', async () => {
    let status = 200;
    const bench = await createBench({ '/v1/loads': () => [status, loads(9, 0.9)] });
    await bench.round();
    assert.equal(bench.worker.overloaded, true);
    status = 500;
    await bench.round();
    assert.equal(bench.worker.overloaded, false);
    assert.equal(bench.worker.engineLoad, undefined);
  });

  it('no gauge outlives its report: not a failed question, not the health of the worker, not its model', async () => {
    let status = 200;
    let ranks = 2;
    const body = (): string =>
      JSON.stringify({
        loads: Array.from({ length: ranks }, (_, rank) => ({ dp_rank: rank, num_running_reqs: 1, token_usage: 0.5 })),
      });
    const bench = await createBench({ '/v1/loads': () => [status, body()] });
    const shown = (): string[] =>
      renderPrometheus(bench.stats)
        .split('\n')
        .flatMap(
          (line) =>
            /^smg_engine_(\w+)\{worker="[^"]+",model="(\w+)",dp_rank="(\d)"\}/.exec(line)?.slice(1).join(' ') ?? [],
        );
    const both = ['running_requests m 0', 'running_requests m 1', 'token_usage m 0', 'token_usage m 1'];
    await bench.round();
    assert.deepEqual(shown(), both);
    status = 500;
    await bench.round();
    assert.deepEqual(shown(), []);
    status = 200;
    await bench.round();
    assert.deepEqual(shown(), both);
    bench.worker.setHealth('unhealthy');
    assert.deepEqual(shown(), []);
    assert.equal(bench.worker.engineLoad, undefined);
    bench.worker.setHealth('healthy');
    await bench.round();
    assert.deepEqual(shown(), both);
    bench.registry.update('test', [{ ...bench.spec, models: ['n'] }]);
    ranks = 1;
    await bench.round();
    assert.deepEqual(shown(), ['running_requests n 0', 'token_usage n 0']);
  });

  it('a report is forgotten while the next question waits for its turn behind engines that hang', async () => {
    const asked: UpstreamHandler[] = [];
    const client: UpstreamClient = {
      send: (_request, handler) => {
        asked.push(handler);
        return { pause() {}, resume() {}, abort() {} };
      },
    };
    const clock = new FakeClock();
    const checker = new HealthChecker({ client, clock });
    const pools = { configure(): void {}, close(): void {} };
    const registry = new WorkerRegistry({ checker, pools, clock, stats: undefined });
    const monitor = new LoadMonitor(registry, { client, clock, stats: undefined, random: () => 0.5 });
    open.push(() => {
      monitor.close();
      registry.close();
    });
    const health = { ...DEFAULT_HEALTH_CHECK, enabled: false };
    const specs = Array.from({ length: 33 }, (_, index) => createWorkerSpec({ url: `http://worker-${index}`, health }));
    const workers = registry.update('test', specs);
    const answerAll = async (): Promise<void> => {
      while (asked.length > 0) {
        for (const handler of asked.splice(0)) {
          handler.onHeaders(new ResponseHeaders(200), false);
          handler.onData(Buffer.from(loads(9, 0.1)), true, undefined);
        }
        for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    clock.advance(1_000);
    await answerAll();
    assert.equal(workers.filter((worker) => worker.overloaded).length, 33);
    clock.advance(11_000);
    assert.equal(asked.length, 32, 'they hang, the last one waits');
    const last = workers.at(-1) as ManagedWorker;
    clock.advance(19_000);
    assert.equal(last.engineLoad, undefined);
    assert.equal(last.overloaded, false);
    await answerAll();
    assert.equal(last.overloaded, true, 'asked when its turn came');
  });

  it('what an engine does not have is not asked again, until another one stands there', async () => {
    const bench = await createBench({ '/metrics': () => [200, 'vllm:kv_cache_usage_perc 0.9\n'] }, 'vllm');
    await bench.round();
    assert.equal(bench.worker.overloaded, true);
    await bench.round();
    assert.deepEqual(bench.asked.filter((path) => path === '/v1/loads').length, 1);
    bench.registry.update('test', []);
    bench.registry.update('test', [bench.spec]);
    await bench.round();
    assert.deepEqual(bench.asked.filter((path) => path === '/v1/loads').length, 2);
  });

  it('SGLang without the newer endpoints: /get_load', async () => {
    const bench = await createBench({ '/get_load': () => [200, '[{"dp_rank":0,"num_reqs":9,"num_waiting_reqs":8}]'] });
    await bench.round();
    assert.equal(bench.worker.engineLoad?.waitingRequests, 8);
  });

  it('cloud providers are never asked; nothing is where nothing needs it', async () => {
    const external = await createBench({}, 'external');
    const unneeded = await createBench({}, 'sglang', { ...DEFAULT_PROTECTION, overload: undefined });
    for (const { clock, asked } of [external, unneeded]) {
      clock.advance(80_000);
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.deepEqual(asked, []);
    }
  });

  it('one that reported and falls silent is in doubt until it is heard', async () => {
    let status = 200;
    const bench = await createBench({ '/v1/loads': () => [status, loads(0, 0)] });
    await bench.round();
    status = 500;
    await bench.round();
    await bench.round();
    assert.equal(bench.worker.inDoubt, true);
    bench.worker.recordContact();
    assert.equal(bench.worker.inDoubt, false);
  });
});
