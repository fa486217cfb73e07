import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import {
  type Attempt,
  type AttemptOutcome,
  type Backend,
  type BackendCall,
  type BackendSink,
  type Cluster,
  GatewayError,
  HeaderMap,
  type InferenceRequest,
  RequestHeaders,
  ResponseHeaders,
  type StatusVerdict,
  type UpstreamExchange,
  type UpstreamTimeouts,
  type Worker,
} from '../../core/api/index.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { chatRequestHeaders, createFilterHarness, FakeClock, type FilterHarness } from '../../core/testing/index.js';
import { configSchema } from './config.js';
import factory from './factory.js';
import { createWorkerHeaders, ForwardedNames, removeProviderFields } from './worker-headers.js';

const TIMEOUTS = { connectMs: 1, firstByteMs: 2, idleMs: 3, requestMs: 4 };
const REQUEST = { api: 'chat', model: 'm' } as InferenceRequest;

/** A backend in the test's hands: remembers the call, and what was done to its exchange. */
class ScriptedBackend implements Backend, UpstreamExchange {
  readonly type = 'scripted';
  readonly nativeApis = ['chat'];
  call: BackendCall | undefined = undefined;
  sink: BackendSink | undefined = undefined;
  aborts = 0;
  /** Pauses less resumes. */
  paused = 0;
  /** Runs inside `send`. */
  onSend: (sink: BackendSink) => void = () => {};

  send(call: BackendCall, sink: BackendSink): UpstreamExchange {
    this.call = call;
    this.sink = sink;
    this.onSend(sink);
    return this;
  }

  pause(): void {
    this.paused += 1;
  }

  resume(): void {
    this.paused -= 1;
  }

  abort(): void {
    this.aborts += 1;
  }
}

class StubWorker {
  readonly workerType = 'regular';
  readonly backend: string;
  readonly url = 'http://worker.test:8000';
  readonly outcomes: boolean[] = [];
  answering = 0;

  constructor(backend: string) {
    this.backend = backend;
  }

  judge(status: number): StatusVerdict {
    if (status === 429) return 'neutral';
    return [408, 500, 502, 503, 504].includes(status) ? 'failure' : 'success';
  }

  recordContact(): void {}

  recordAnswering(): void {
    this.answering += 1;
  }

  recordOutcome(outcome: AttemptOutcome): void {
    this.outcomes.push(outcome === 'success');
  }
}

interface Bench {
  readonly backend: ScriptedBackend;
  readonly worker: StubWorker;
  readonly clock: FakeClock;
  readonly attempt: Attempt;
  readonly harness: FilterHarness;
  readonly sink: BackendSink;
  start(): void;
}

interface BenchOptions {
  readonly flat?: readonly string[];
  readonly request?: InferenceRequest | undefined;
  readonly config?: unknown;
  readonly deadlineMs?: number;
  readonly timeouts?: UpstreamTimeouts;
  readonly earlier?: readonly Partial<Attempt>[];
  readonly backend?: string;
}

async function createBench(options: BenchOptions = {}): Promise<Bench> {
  const request = 'request' in options ? options.request : REQUEST;
  const backend = new ScriptedBackend();
  const worker = new StubWorker(options.backend ?? 'scripted');
  const clock = new FakeClock();
  const startedMs = clock.monotonicMs();
  const attempt: Attempt = { worker: worker as unknown as Worker, status: 0, error: undefined, startedMs, endedMs: 0 };
  const backends = { get: (type: string) => (type === 'scripted' ? backend : undefined) };
  const config = configSchema.parse(options.config ?? {});
  const terminal = await factory.create(config, { onDispose() {} }, backends, clock, new StatsStore());
  assert.ok(terminal !== undefined);
  const harness = createFilterHarness([], {
    terminal,
    above: (run) => {
      run.cluster = { timeouts: TIMEOUTS } as Cluster;
      run.timeouts = options.timeouts;
      run.worker = worker as unknown as Worker;
      run.attempt = attempt;
    },
    prepare: (info) => {
      if (options.deadlineMs !== undefined) info.deadlineMs = clock.monotonicMs() + options.deadlineMs;
      const earlier = (options.earlier ?? []).map((it) => ({ ...attempt, ...it }));
      info.attempts.push(...earlier, attempt);
    },
  });
  return {
    backend,
    worker,
    clock,
    attempt,
    harness,
    get sink() {
      assert.ok(backend.sink !== undefined);
      return backend.sink;
    },
    start: () => {
      harness.sendHeaders(chatRequestHeaders(...(options.flat ?? [])), request === undefined);
      if (request !== undefined) harness.sendRequest(request);
    },
  };
}

const RESET = new GatewayError('upstream_reset', 'The worker broke the connection');

test('hands the backend the worker, the limits, the request and only fields that a worker may see', async () => {
  const bench = await createBench({
    config: { forward_headers: ['X-Tenant'] },
    flat: [
      ...['authorization', 'Bearer k', 'cookie', 'a=b', 'x-request-id', 'r', 'x-request-id-parent', 'p'],
      ...['user-agent', 'curl', 'accept-encoding', 'gzip', 'x-forwarded-for', '1.2.3.4', 'x-tenant', 't'],
      ...['traceparent', '00-1', 'x-api-key', 'gateway-key', 'content-length', '3', 'anthropic-version', '2023-06-01'],
    ],
  });
  bench.start();
  const call = bench.backend.call;
  assert.equal(call?.worker, bench.worker);
  assert.equal(call?.request, REQUEST);
  assert.equal(call?.timeouts, TIMEOUTS);
  assert.equal(call?.headers.method, 'POST');
  assert.equal(call?.headers.path, '/v1/chat/completions');
  assert.deepEqual(call?.headers.flat, [
    ...['authorization', 'Bearer k', 'x-request-id', 'r', 'x-request-id-parent', 'p', 'x-tenant', 't'],
    ...['traceparent', '00-1', 'anthropic-version', '2023-06-01'],
  ]);
});

test('limits of the run go before those of the cluster', async () => {
  const timeouts = { connectMs: 5, firstByteMs: 6, idleMs: 7, requestMs: 8 };
  const bench = await createBench({ timeouts });
  bench.start();
  assert.equal(bench.backend.call?.timeouts, timeouts);
});

test('the head stays as it was: the worker gets a copy', async () => {
  const bench = await createBench({ request: undefined });
  const headers = chatRequestHeaders('cookie', 'a=b');
  bench.harness.sendHeaders(headers, true);
  assert.deepEqual(bench.backend.call?.headers.flat, []);
  assert.deepEqual(headers.flat, ['content-type', 'application/json', 'cookie', 'a=b']);
});

test('relays the answer without the fields of its connection, repeated ones as they are', async () => {
  const bench = await createBench();
  bench.start();
  const flat = [
    ...['connection', 'close, X-Hop', 'x-hop', '1', 'keep-alive', 'timeout=5', 'transfer-encoding', 'chunked'],
    ...['set-cookie', 'a=1', 'set-cookie', 'b=2', 'x-smg-error-code', 'forged', 'content-type', 'text/event-stream'],
  ];
  bench.sink.onHeaders(new ResponseHeaders(200, flat), false);
  bench.sink.onData(Buffer.from('data: 1\n\n'), false, undefined);
  bench.sink.onData(Buffer.from('data: [DONE]\n\n'), true, undefined);
  const { response } = bench.harness;
  assert.deepEqual(response.headers?.flat, [
    'set-cookie',
    'a=1',
    'set-cookie',
    'b=2',
    'content-type',
    'text/event-stream',
  ]);
  assert.equal(response.body, 'data: 1\n\ndata: [DONE]\n\n');
  assert.equal(response.ends, 1);
  assert.deepEqual([bench.attempt.status, bench.attempt.error, bench.backend.aborts], [200, undefined, 0]);
  assert.deepEqual(bench.worker.outcomes, [true]);
});

test('relays deltas, and trailers', async () => {
  const bench = await createBench();
  bench.start();
  bench.sink.onHeaders(new ResponseHeaders(200, [], 'deltas'), false);
  bench.sink.onDelta({ kind: 'content', choice: 0, text: 'a' }, false);
  bench.sink.onDelta({ kind: 'finish', choice: 0, reason: 'stop' }, true);
  assert.equal(bench.harness.response.deltas.length, 2);
  assert.equal(bench.harness.response.ends, 1);

  const other = await createBench({ request: undefined });
  other.start();
  other.sink.onHeaders(new ResponseHeaders(200), false);
  other.sink.onTrailers(new HeaderMap(['x-sum', '1']));
  assert.equal(other.harness.response.trailers?.get('x-sum'), '1');
});

test('an error before the head is answered, one after it ends the stream as broken', async () => {
  const before = await createBench();
  before.start();
  before.sink.onError(RESET);
  assert.equal(before.harness.response.headers?.status, 502);
  assert.equal(before.harness.response.json.error.code, 'upstream_reset');
  assert.deepEqual([before.attempt.status, before.attempt.error], [0, 'upstream_reset']);
  assert.deepEqual(before.worker.outcomes, [false]);

  const after = await createBench();
  after.start();
  after.sink.onHeaders(new ResponseHeaders(200), false);
  after.sink.onError(RESET);
  assert.equal(after.harness.response.error, RESET);
  assert.equal(after.harness.response.ends, 0);
  assert.deepEqual([after.attempt.status, after.attempt.error], [200, 'upstream_reset']);
  assert.deepEqual(after.worker.outcomes, [false], 'a good head alone is no success');
  assert.equal(after.worker.answering, 1);
});

for (const phase of ['waiting', 'answering', 'inside send'] as const) {
  test(`stops the exchange once when the client leaves: ${phase}`, async () => {
    const bench = await createBench({ deadlineMs: 1000 });
    if (phase === 'inside send') bench.backend.onSend = () => bench.harness.reset();
    bench.start();
    if (phase === 'answering') bench.sink.onHeaders(new ResponseHeaders(200), false);
    bench.harness.reset();
    assert.equal(bench.backend.aborts, 1);
    assert.equal(bench.clock.pendingTimers, 0);
    assert.deepEqual(bench.worker.outcomes, []);
  });
}

test('leaves an exchange alone that has ended, also one that ended inside send', async () => {
  const bench = await createBench({ deadlineMs: 1000 });
  bench.backend.onSend = (sink) => sink.onHeaders(new ResponseHeaders(204), true);
  bench.start();
  bench.harness.reset();
  assert.equal(bench.harness.response.ends, 1);
  assert.equal(bench.backend.aborts, 0);
  assert.equal(bench.clock.pendingTimers, 0);
});

test('pauses the worker while the client is slow, balanced, and not after the end', async () => {
  const bench = await createBench();
  bench.start();
  bench.sink.onHeaders(new ResponseHeaders(200), false);
  bench.harness.manager.onAboveWriteBufferHighWatermark();
  assert.equal(bench.backend.paused, 1);
  bench.harness.manager.onBelowWriteBufferLowWatermark();
  assert.equal(bench.backend.paused, 0);
  bench.sink.onData(Buffer.from('x'), true, undefined);
  bench.harness.manager.onAboveWriteBufferHighWatermark();
  assert.equal(bench.backend.paused, 0);
});

test('a client that is slow from the beginning pauses the worker', async () => {
  const bench = await createBench();
  bench.harness.manager.onAboveWriteBufferHighWatermark();
  bench.start();
  assert.equal(bench.backend.paused, 1);
});

test('the total deadline ends the request in every phase and does not speak against the worker', async () => {
  const waiting = await createBench({ deadlineMs: 1000 });
  waiting.start();
  waiting.clock.advance(999);
  assert.equal(waiting.backend.aborts, 0);
  waiting.clock.advance(1);
  assert.equal(waiting.backend.aborts, 1);
  assert.equal(waiting.harness.response.headers?.status, 504);
  assert.equal(waiting.harness.response.json.error.code, 'upstream_timeout');
  assert.equal(waiting.harness.streamInfo.responseDetails, 'request_deadline');
  assert.deepEqual(waiting.worker.outcomes, []);

  const answering = await createBench({ deadlineMs: 1000 });
  answering.start();
  answering.sink.onHeaders(new ResponseHeaders(200), false);
  answering.clock.advance(1000);
  assert.equal(answering.backend.aborts, 1);
  assert.equal(answering.harness.response.error?.code, 'upstream_timeout');

  const over = await createBench({ deadlineMs: 0 });
  over.start();
  assert.equal(over.backend.call, undefined);
  assert.equal(over.harness.response.headers?.status, 504);
});

test('a redirect is refused without telling where it points to', async () => {
  for (const inside of [false, true]) {
    const bench = await createBench();
    const redirect = new ResponseHeaders(307, ['location', 'http://10.0.0.1:8000/v1/chat/completions/']);
    if (inside) bench.backend.onSend = (sink) => sink.onHeaders(redirect, false);
    bench.start();
    if (!inside) bench.sink.onHeaders(redirect, false);
    assert.equal(bench.harness.response.headers?.status, 502);
    assert.doesNotMatch(bench.harness.response.body + bench.harness.response.headers?.flat.join(), /10\.0\.0\.1/);
    assert.equal(bench.backend.aborts, 1);
  }
});

test('a request that the backend refuses is answered with its error and is not the worker’s fault', async () => {
  const bench = await createBench();
  bench.backend.onSend = () => {
    throw new GatewayError('endpoint_not_supported', 'The engine does not have this endpoint');
  };
  bench.start();
  assert.equal(bench.harness.response.headers?.status, 501);
  assert.deepEqual(bench.worker.outcomes, []);
  assert.deepEqual(bench.harness.exceptions, []);
});

test('a backend that is missing or throws is a bug, answered as internal', async () => {
  const missing = await createBench({ backend: 'missing' });
  missing.start();
  const throwing = await createBench();
  throwing.backend.onSend = () => {
    throw new TypeError('boom');
  };
  throwing.start();
  for (const bench of [missing, throwing]) {
    assert.equal(bench.harness.response.headers?.status, 500);
    assert.equal(bench.harness.exceptions.length, 1);
  }
});

for (const [status, outcomes] of [
  [200, [true]],
  [400, [true]],
  [408, [false]],
  [429, []],
  [500, [false]],
  [503, [false]],
] as const) {
  test(`status ${status} tells the worker ${JSON.stringify(outcomes)}`, async () => {
    const bench = await createBench();
    bench.start();
    bench.sink.onHeaders(new ResponseHeaders(status), true);
    assert.deepEqual(bench.worker.outcomes, outcomes);
    assert.equal(bench.attempt.status, status);
  });
}

test('one request counts at most one failure per worker', async () => {
  const bench = await createBench({ earlier: [{ status: 503 }] });
  bench.start();
  bench.sink.onHeaders(new ResponseHeaders(503), true);
  const other = await createBench({ earlier: [{ status: 503, worker: {} as Worker }] });
  other.start();
  other.sink.onError(RESET);
  assert.deepEqual([bench.worker.outcomes, other.worker.outcomes], [[], [false]]);
});

test('fields that belong to the connection cannot be forwarded', () => {
  for (const name of ['Host', 'content-length', 'Transfer-Encoding', 'accept-encoding', 'not a name', '']) {
    assert.equal(configSchema.safeParse({ forward_headers: [name] }).success, false, name);
  }
  assert.deepEqual(configSchema.parse({}), { forward_headers: [], propagate_trace: false });
});

test('the example of the README is valid', () => {
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const entry = parse(/```yaml\n([^`]*)```/.exec(text)?.[1] ?? '').filters[0];
  assert.equal(entry.name, 'upstream');
  assert.deepEqual(configSchema.parse(entry.config), { forward_headers: ['x-tenant'], propagate_trace: false });
});

test('cloud APIs get and show what concerns both sides only', () => {
  const names = new ForwardedNames(['x-tenant'], false);
  const sent = (provider: string | undefined) => {
    const all = [
      'authorization',
      'x-api-key',
      'x-request-id',
      'x-request-id-a',
      'traceparent',
      'cookie',
      'openai-project',
      'anthropic-beta',
      'x-tenant',
    ];
    const headers = new RequestHeaders(
      'POST',
      '/',
      '',
      'http',
      all.flatMap((name) => [name, '1']),
    );
    const worker = { runtime: 'external', provider } as const;
    return createWorkerHeaders(headers, names.for(worker)).flat.filter((text) => text !== '1');
  };
  assert.deepEqual(sent('openai'), ['authorization', 'x-api-key', 'openai-project', 'x-tenant']);
  assert.deepEqual(sent('anthropic'), ['authorization', 'x-api-key', 'anthropic-beta', 'x-tenant']);
  assert.deepEqual(sent('groq'), ['authorization', 'x-api-key', 'x-tenant']);
  assert.deepEqual(sent(undefined), ['authorization', 'x-api-key', 'x-tenant']);
  const traced = new ForwardedNames([], true).for({ runtime: 'external', provider: 'openai' });
  assert.ok(traced.has('traceparent') && !traced.has('x-request-id'));
  const answer = new ResponseHeaders(200, ['server', 'x', 'cf-ray', '1', 'request-id', 'req_1', 'retry-after', '3']);
  removeProviderFields(answer);
  assert.deepEqual(answer.flat, ['x-provider-request-id', 'req_1', 'retry-after', '3']);
});
