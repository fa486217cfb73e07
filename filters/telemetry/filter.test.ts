import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import {
  type Attempt,
  type ClientApi,
  type FilterFactoryCb,
  GatewayError,
  type InferenceRequest,
  ResponseHeaders,
  type StreamInfo,
  type Worker,
} from '../../core/api/index.js';
import { renderPrometheus } from '../../core/telemetry/prometheus-exposition.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { FakeClock } from '../../core/testing/fake-clock.js';
import { chatRequestHeaders, createFilterHarness, type FilterHarness } from '../../core/testing/filter-harness.js';
import { configSchema } from './config.js';
import factory from './factory.js';

/** One process: a store, a clock, a log, and filters made from one config. */
class Rig {
  readonly store = new StatsStore();
  readonly clock = new FakeClock(10_000);
  readonly logged: StreamInfo[] = [];
  readonly #dispose: (() => void | Promise<void>)[] = [];
  readonly #create: FilterFactoryCb;

  constructor(config: unknown = {}) {
    const lifetime = { onDispose: (dispose: () => void | Promise<void>) => void this.#dispose.push(dispose) };
    const accessLog = { write: (info: StreamInfo) => void this.logged.push(info) };
    this.#create = factory.create(
      configSchema.parse(config),
      lifetime,
      this.clock,
      this.store,
      accessLog,
    ) as FilterFactoryCb;
  }

  start(prepare: (info: StreamInfo) => void = () => {}): FilterHarness {
    const harness = createFilterHarness([{ name: 'telemetry', factory: this.#create }], {
      prepare: (info) => {
        Object.assign(info, { startedMs: this.clock.monotonicMs(), endpoint: '/v1/chat/completions' });
        prepare(info);
      },
    });
    harness.sendHeaders(chatRequestHeaders(), true);
    return harness;
  }

  /** A whole inference request; `finish` sets what the core and other filters would have set by its end. */
  request(finish: (info: StreamInfo) => void, durationMs = 0): void {
    const harness = this.start();
    this.clock.advance(durationMs);
    const info = harness.streamInfo;
    info.api = { type: 'chat' } as ClientApi;
    Object.assign(info, {
      status: 200,
      complete: true,
      responseDetails: 'complete',
      endedMs: this.clock.monotonicMs(),
    });
    finish(info);
    harness.reset();
  }

  dispose(): void {
    for (const dispose of this.#dispose) void dispose();
  }

  /** Value of one series as the exposition prints it. */
  value(series: string): number | undefined {
    const line = renderPrometheus(this.store)
      .split('\n')
      .find((candidate) => candidate.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  }
}

function worker(id: string, models: string[] = ['llama']): Worker {
  return {
    id,
    cluster: 'main',
    models,
    runtime: 'vllm',
    workerType: 'regular',
    backend: 'openai',
  } as unknown as Worker;
}

function attempt(target: Worker, status: number, error?: string): Attempt {
  return { worker: target, status, error, startedMs: 10_000, endedMs: 10_250 };
}

function inference(model: string | undefined, stream = false): InferenceRequest {
  return { model, requestedModel: model, stream } as InferenceRequest;
}

const ROUTER = 'router_type="http",backend_type="regular",connection_mode="http",model="llama",endpoint="chat"';
const TOKENS = 'router_type="http",backend_type="regular",model="llama",endpoint="chat"';
const PATH = 'path="/v1/chat/completions"';

describe('telemetry: edge', () => {
  it('counts a request in on arrival and out at its end', () => {
    const rig = new Rig();
    const harness = rig.start();
    assert.equal(rig.value('smg_http_connections_active'), 1);
    assert.equal(rig.value(`smg_http_requests_total{method="POST",${PATH}}`), 1);
    assert.equal(rig.value(`smg_http_request_duration_seconds_count{method="POST",${PATH}}`), 0);
    rig.clock.advance(1500);
    harness.streamInfo.firstByteMs = 10_100;
    Object.assign(harness.streamInfo, {
      requestBytes: 11,
      responseBytes: 22,
      complete: true,
      responseDetails: 'complete',
    });
    harness.streamInfo.status = 200;
    harness.terminal.callbacks.encodeHeaders(new ResponseHeaders(200), true);
    assert.equal(rig.value('smg_http_connections_active'), 0);
    assert.equal(rig.value(`smg_http_responses_total{${PATH},status_code="200",error_code=""}`), 1);
    assert.equal(rig.value(`smg_http_request_duration_seconds_sum{method="POST",${PATH}}`), 1.5);
    assert.equal(rig.value(`smg_http_time_to_first_byte_seconds_sum{method="POST",${PATH}}`), 0.1);
    assert.equal(rig.value(`smg_http_request_bytes_total{${PATH}}`), 11);
    assert.equal(rig.value(`smg_http_response_bytes_total{${PATH}}`), 22);
    assert.equal(rig.logged.length, 1);
  });

  it('records the code of a local reply', () => {
    const rig = new Rig();
    const harness = rig.start();
    harness.streamInfo.status = 503;
    harness.streamInfo.complete = true;
    harness.terminal.callbacks.sendLocalReply(new GatewayError('overloaded', 'busy', { details: 'queue_full' }));
    assert.equal(rig.value(`smg_http_responses_total{${PATH},status_code="503",error_code="queue_full"}`), 1);
  });

  it('counts a client that left as 499, whatever head it got, and tells the phase', () => {
    const rig = new Rig();
    for (const firstByteMs of [0, 10_001]) {
      const harness = rig.start();
      Object.assign(harness.streamInfo, {
        status: firstByteMs === 0 ? 499 : 200,
        firstByteMs,
        responseDetails: 'client_closed',
      });
      harness.reset();
    }
    assert.equal(rig.value(`smg_http_responses_total{${PATH},status_code="499",error_code="client_closed"}`), 2);
    assert.equal(rig.value('smg_http_stream_aborts_total{by="client",phase="before_first_byte"}'), 1);
    assert.equal(rig.value('smg_http_stream_aborts_total{by="client",phase="mid_stream"}'), 1);
    assert.equal(rig.value('smg_http_connections_active'), 0);
  });

  it('bounds path and method labels', () => {
    const rig = new Rig();
    for (let i = 0; i < 50; i++) {
      rig.start((info) => Object.assign(info, { endpoint: 'unknown', method: `M${i}`, path: `/x/${i}` })).reset();
    }
    assert.equal(rig.value('smg_http_requests_total{method="OTHER",path="other"}'), 50);
    assert.equal(renderPrometheus(rig.store).match(/^smg_http_requests_total\{/gm)?.length, 1);
  });

  it('keeps the log quiet about probes that succeed, and silent when it is off', () => {
    const rig = new Rig();
    for (const status of [200, 503]) {
      rig.request((info) => Object.assign(info, { endpoint: '/readiness', status }));
    }
    assert.deepEqual(
      rig.logged.map((info) => info.status),
      [503],
    );
    const quiet = new Rig({ access_log: false });
    quiet.request(() => {});
    assert.equal(quiet.logged.length, 0);
  });

  it('takes the clock for a stream that was let go without an end', () => {
    const rig = new Rig();
    const harness = rig.start();
    rig.clock.advance(2000);
    harness.reset();
    assert.equal(rig.logged[0]?.endedMs, 12_000);
    assert.equal(rig.value(`smg_http_request_duration_seconds_sum{method="POST",${PATH}}`), 2);
  });
});

describe('telemetry: requests in flight by age', () => {
  const age = (rig: Rig, gt: string, le: string) =>
    rig.value(`smg_http_inflight_request_age_count{gt="${gt}",le="${le}"}`);

  it('counts each request in one class, a bound belonging to the lower one', () => {
    const rig = new Rig();
    const first = rig.start();
    rig.clock.advance(30_000);
    const second = rig.start();
    rig.clock.advance(10_000); // sampled at 40 s: ages 40 and 10
    assert.deepEqual([age(rig, '0', '30'), age(rig, '30', '60')], [1, 1]);
    first.reset();
    rig.clock.advance(20_000); // sampled at 60 s: age 30
    assert.deepEqual([age(rig, '0', '30'), age(rig, '30', '60')], [1, 0]);
    second.reset();
    rig.clock.advance(20_000);
    assert.deepEqual([age(rig, '0', '30'), age(rig, '86400', '+Inf')], [0, 0]);
  });

  it('takes its share back and leaves no timer when the generation goes', () => {
    const rig = new Rig();
    const streams = [rig.start(), rig.start(), rig.start()];
    rig.clock.advance(20_000);
    assert.equal(age(rig, '0', '30'), 3);
    for (const index of [1, 0, 2]) streams[index]?.reset();
    rig.dispose();
    assert.equal(age(rig, '0', '30'), 0);
    assert.equal(rig.clock.pendingTimers, 0);
  });
});

describe('telemetry: inference', () => {
  it('records one request with its attempts, times and tokens', () => {
    const rig = new Rig();
    rig.request((info) => {
      info.inference = inference('llama', true);
      info.principal = { tenant: 'red' };
      info.attempts.push(attempt(worker('w1'), 0, 'upstream_reset'), attempt(worker('w2'), 200));
      info.firstByteMs = 10_400;
      info.usage = { promptTokens: 100, cachedTokens: 60, completionTokens: 11, reasoningTokens: 3 };
    }, 1400);
    assert.equal(rig.value(`smg_router_requests_total{${ROUTER},streaming="true"}`), 1);
    assert.equal(rig.value(`smg_router_request_duration_seconds_sum{${ROUTER}}`), 1.4);
    assert.equal(rig.value(`smg_router_ttft_seconds_sum{${TOKENS}}`), 0.4);
    assert.equal(rig.value(`smg_router_tpot_seconds_sum{${TOKENS}}`), 0.1);
    assert.equal(rig.value(`smg_router_tokens_total{${TOKENS},token_type="input"}`), 100);
    assert.equal(rig.value(`smg_router_tokens_total{${TOKENS},token_type="output"}`), 11);
    for (const [type, count] of Object.entries({ input: 100, cached_input: 60, output: 11, reasoning: 3 })) {
      assert.equal(rig.value(`smg_tokens_total{model="llama",tenant="red",type="${type}"}`), count);
    }
    assert.equal(rig.value('smg_worker_requests_total{worker="w1",model="llama"}'), 1);
    assert.equal(rig.value('smg_worker_requests_total{worker="w2",model="llama"}'), 1);
    assert.equal(rig.value('smg_worker_request_duration_seconds_sum{worker="w2"}'), 0.25);
    assert.equal(rig.value('smg_upstream_attempts_total{cluster="main",outcome="upstream_reset"}'), 1);
    assert.equal(rig.value('smg_upstream_attempts_total{cluster="main",outcome="2xx"}'), 1);
    const responses = 'smg_router_upstream_responses_total{router_type="http"';
    assert.equal(rig.value(`${responses},status_code="none",error_code="upstream_reset"}`), 1);
    assert.equal(rig.value(`${responses},status_code="200",error_code=""}`), 1);
  });

  it('records no times and no tokens that are not known', () => {
    const rig = new Rig();
    rig.request((info) => {
      info.inference = inference('llama');
      info.attempts.push(attempt(worker('w1'), 200));
    });
    assert.doesNotMatch(renderPrometheus(rig.store), /^smg_(?:tokens|router_(?:tokens|ttft|tpot))/m);
  });

  it('classifies every ending', () => {
    const cases: [Partial<StreamInfo>, string][] = [
      [{ status: 400, responseDetails: 'invalid_json' }, 'validation_error'],
      [{ status: 404, responseDetails: 'model_not_found' }, 'no_workers'],
      [{ status: 503, responseDetails: 'no_available_workers' }, 'no_workers'],
      [{ status: 504, responseDetails: 'upstream_timeout' }, 'timeout'],
      [{ status: 502, responseDetails: 'upstream_reset' }, 'backend_error'],
      [{ status: 500, responseDetails: 'filter_exception' }, 'internal_error'],
      [{ status: 429, responseDetails: 'complete' }, 'rate_limited'],
      [{ status: 200, complete: false, responseDetails: 'upstream_reset' }, 'backend_error'],
      [{ status: 200, complete: false, responseDetails: 'client_closed' }, 'client_closed'],
    ];
    for (const [facts, type] of cases) {
      const rig = new Rig();
      rig.request((info) => {
        info.inference = inference(undefined);
        Object.assign(info, facts);
      });
      const labels = ROUTER.replace('llama', 'unknown');
      assert.equal(rig.value(`smg_router_request_errors_total{${labels},error_type="${type}"}`), 1, type);
      assert.doesNotMatch(renderPrometheus(rig.store), /^smg_router_request_duration_seconds/m);
    }
  });

  it('gives no label to model names that clients make up', () => {
    const rig = new Rig({ max_models: 2 });
    const send = (model: string, target: Worker | undefined, status: number) =>
      rig.request((info) => {
        info.inference = inference(model);
        info.status = status;
        if (target !== undefined) info.attempts.push(attempt(target, status));
      });
    for (let i = 0; i < 20; i++) send(`made-up-${i}`, undefined, 404);
    for (let i = 0; i < 20; i++) send(`refused-${i}`, worker('any', []), 404);
    send('llama', worker('w1'), 500);
    for (let i = 0; i < 20; i++) send(`served-${i}`, worker('any', []), 200);
    const models = new Set(renderPrometheus(rig.store).match(/model="[^"]*"/g));
    assert.deepEqual([...models].sort(), ['model="llama"', 'model="other"', 'model="served-0"']);
  });

  it('names kinds of workers as SMG does', () => {
    const cases: [Partial<Worker>, string][] = [
      [{ runtime: 'external', url: 'https://api.example.com' }, 'router_type="openai",backend_type="external"'],
      [{ runtime: 'external', url: 'http://10.0.0.1:8000' }, 'router_type="http",backend_type="regular"'],
      [{ workerType: 'decode' }, 'router_type="http",backend_type="pd"'],
      [{ backend: 'vllm_grpc' }, 'router_type="grpc",backend_type="regular",connection_mode="grpc"'],
    ];
    for (const [facts, labels] of cases) {
      const rig = new Rig();
      rig.request((info) => {
        info.inference = inference('llama');
        info.attempts.push(attempt({ ...worker('p1'), ...facts }, 200));
      });
      assert.match(renderPrometheus(rig.store), new RegExp(`^smg_router_requests_total\\{${labels}`, 'm'));
      assert.match(
        renderPrometheus(rig.store),
        new RegExp(`^smg_router_upstream_responses_total\\{${labels.split(',')[0]}`, 'm'),
      );
    }
  });

  it('binds anew for a worker that came back after its series were removed', () => {
    const rig = new Rig();
    const send = (target: Worker) =>
      rig.request((info) => {
        info.inference = inference('llama');
        info.attempts.push(attempt(target, 200));
      });
    send(worker('w1'));
    rig.store.removeLabelled('worker', 'w1');
    assert.doesNotMatch(renderPrometheus(rig.store), /worker="w1"/);
    send(worker('w1'));
    assert.equal(rig.value('smg_worker_requests_total{worker="w1",model="llama"}'), 1);
  });
});

describe('telemetry: config', () => {
  it('refuses buckets that do not ascend and unknown keys', () => {
    assert.throws(() => configSchema.parse({ duration_buckets: [1, 1] }), /must ascend/);
    assert.throws(() => configSchema.parse({ acess_log: true }));
  });
});

it('the example of the README is valid', () => {
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const entry = parse(/```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? '').filters[0];
  assert.equal(entry.type, 'telemetry');
  assert.equal(configSchema.parse(entry.config).duration_buckets.length, 5);
});
