import assert from 'node:assert/strict';
import {
  type Cluster,
  type Clusters,
  type Delta,
  type ErrorCode,
  FilterHeadersStatus,
  FilterTrailersStatus,
  GatewayError,
  type GatewayErrorOptions,
  type InferenceRequest,
  type RequestHeaders,
  ResponseHeaders,
  type StreamFilter,
  type StreamFilterCallbacks,
  type Worker,
} from '../../core/api/index.js';
import { readInferenceRequest } from '../../core/inference/inference-request.js';
import { JsonScanner } from '../../core/inference/json-scan.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { chatRequestHeaders, createFilterHarness, FakeClock, type FilterHarness } from '../../core/testing/index.js';
import { configSchema } from './config.js';
import factory from './factory.js';

const API = {
  type: 'chat',
  paths: ['/v1/chat/completions'],
  requestFormat: 'json',
  streams: true,
  terminator: 'done',
  errorDialect: 'openai',
  requestIdPrefix: 'chatcmpl-',
  requiresModel: false,
} as const;

/** Everything below `fallback` for one cluster, in the test's hands. */
export class ScriptedTurn implements StreamFilter {
  readonly callbacks: StreamFilterCallbacks;
  readonly #bench: Bench;
  headers: RequestHeaders | undefined = undefined;
  request: InferenceRequest | undefined = undefined;
  destroyed = false;

  constructor(bench: Bench, callbacks: StreamFilterCallbacks) {
    this.#bench = bench;
    this.callbacks = callbacks;
  }

  get cluster(): string {
    return this.callbacks.run.cluster?.name ?? '';
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    this.headers = headers;
    if (endStream) this.#begin();
    return FilterHeadersStatus.StopIteration;
  }

  decodeRequest(request: InferenceRequest): FilterTrailersStatus {
    this.request = request;
    this.#begin();
    return FilterTrailersStatus.StopIteration;
  }

  onDestroy(): void {
    this.destroyed = true;
  }

  #begin(): void {
    const { turns, clock } = this.#bench;
    const worker = { id: this.cluster, cluster: this.cluster } as Worker;
    const attempt = { worker, status: 0, error: undefined, startedMs: clock.monotonicMs(), endedMs: 0 };
    this.callbacks.streamInfo.attempts.push(attempt);
    turns.push(this);
    this.#bench.onTurn(this, turns.length - 1);
  }

  head(status: number, flat: string[] = [], endStream = false): void {
    this.callbacks.encodeHeaders(new ResponseHeaders(status, flat), endStream);
  }

  data(text: string, endStream = false): void {
    this.callbacks.encodeData(Buffer.from(text), endStream);
  }

  deltas(...deltas: Delta[]): void {
    for (const delta of deltas) this.callbacks.encodeDelta(delta, delta.kind === 'finish');
  }

  answer(status: number, body: string, flat: string[] = []): void {
    this.head(status, flat);
    this.data(body, true);
  }

  fail(code: ErrorCode, options: GatewayErrorOptions = {}): void {
    this.callbacks.sendLocalReply(new GatewayError(code, code, options));
  }
}

/** One run of `fallback` between clusters `a`, `b`, `c`, … */
export interface Bench {
  readonly turns: ScriptedTurn[];
  readonly clock: FakeClock;
  readonly stats: StatsStore;
  readonly harness: FilterHarness;
  onTurn: (turn: ScriptedTurn, index: number) => void;
  start(): void;
  readonly last: ScriptedTurn;
  /** Clusters in the order in which they were asked. */
  readonly asked: string;
}

export interface BenchOptions {
  readonly config?: object;
  readonly stream?: boolean;
  readonly deadlineMs?: number;
  readonly headers?: string[];
  readonly mirrored?: boolean;
  /** Clusters of cloud workers. */
  readonly external?: readonly string[];
}

export const TIMEOUTS = { connectMs: 1, firstByteMs: 2, idleMs: 3, requestMs: 4 };

function clusterOf(name: string, external: boolean): Cluster {
  return {
    name,
    policy: 'random',
    workers: [{ runtime: external ? 'external' : 'vllm' }],
    timeouts: { ...TIMEOUTS, idleMs: name.charCodeAt(0) },
    canonicalModel: (model: string) => (model === 'alias' ? `${name}-model` : model),
  } as unknown as Cluster;
}

/** Nothing happens before `start`. The request was meant for cluster `a`. */
export function createBench(options: BenchOptions = {}): Bench {
  const clock = new FakeClock();
  const stats = new StatsStore();
  const clusters = new Map(
    ['a', 'b', 'c', 'd'].map((name) => [name, clusterOf(name, options.external?.includes(name) === true)]),
  );
  const table = { get: (name: string) => clusters.get(name) } as Clusters;
  const config = configSchema.parse(options.config ?? { to: ['b', 'c'] });
  const create = factory.create(config, { onDispose: () => undefined }, table, clock, stats);
  if (create === undefined || create instanceof Promise) assert.fail('left out');
  const body = Buffer.from(JSON.stringify({ model: 'm', stream: options.stream ?? false }));
  const request = readInferenceRequest(API, 'application/json', body, new JsonScanner()) as InferenceRequest;
  let top: StreamFilterCallbacks | undefined;
  /** Stands for everything above. */
  class StubTop implements StreamFilter {
    decodeHeaders(): FilterHeadersStatus {
      const { run } = top as StreamFilterCallbacks;
      run.cluster = clusters.get('a');
      run.routeTimeouts = { firstByteMs: 77 };
      return FilterHeadersStatus.StopAllIterationAndWatermark;
    }
  }
  const bench: Bench = {
    turns: [],
    clock,
    stats,
    onTurn: () => {},
    harness: createFilterHarness(
      [
        {
          name: 'top',
          factory: (callbacks) => {
            top = callbacks;
            return new StubTop();
          },
        },
        { name: 'fallback', nesting: true, factory: create },
      ],
      {
        terminal: (callbacks) => new ScriptedTurn(bench, callbacks),
        prepare: (info) => {
          if (options.deadlineMs !== undefined) info.deadlineMs = clock.monotonicMs() + options.deadlineMs;
          info.mirrored = options.mirrored === true;
          info.inference = request;
        },
      },
    ),
    start: () => {
      bench.harness.sendHeaders(chatRequestHeaders(...(options.headers ?? [])), false);
      top?.continueWithRequest(request);
    },
    get last() {
      return bench.turns.at(-1) as ScriptedTurn;
    },
    get asked() {
      return bench.turns.map((turn) => turn.cluster).join('');
    },
  };
  return bench;
}

/** Nothing is left open: no timer, no turn, no run. */
export function assertClean(bench: Bench): void {
  assert.deepEqual(bench.harness.exceptions, []);
  assert.equal(bench.clock.pendingTimers, 0, 'a timer is left');
  for (const [index, turn] of bench.turns.entries()) assert.ok(turn.destroyed, `turn ${index} is left open`);
  assert.ok(bench.harness.response.runEnded);
}

/** The client got this answer, whole and once, after these clusters were asked. */
export function assertAnswer(bench: Bench, status: number, body: string | RegExp, asked: string): void {
  const { response } = bench.harness;
  assert.equal(bench.asked, asked);
  assert.equal(response.headers?.status, status);
  if (typeof body === 'string') assert.equal(response.body, body);
  else assert.match(response.body, body);
  assert.equal(response.ends, 1);
  assertClean(bench);
}
