import assert from 'node:assert/strict';
import type { Cluster, Clusters, StreamFilterCallbacks, Worker } from '../../core/api/index.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import {
  chatRequestHeaders,
  createFilterHarness,
  FakeClock,
  type FilterHarness,
  jsonRequest,
  ScriptedTerminal,
} from '../../core/testing/index.js';
import { configSchema } from './config.js';
import factory from './factory.js';

/** Everything below `fallback` for one cluster, in the test's hands. */
export class ScriptedTurn extends ScriptedTerminal {
  readonly #bench: Bench;

  constructor(bench: Bench, callbacks: StreamFilterCallbacks) {
    super(callbacks);
    this.#bench = bench;
  }

  get cluster(): string {
    return this.callbacks.run.cluster?.name ?? '';
  }

  override onRequest(): void {
    const { turns, clock } = this.#bench;
    const worker = { id: this.cluster, cluster: this.cluster } as Worker;
    const attempt = { worker, status: 0, error: undefined, startedMs: clock.monotonicMs(), endedMs: 0 };
    this.callbacks.streamInfo.attempts.push(attempt);
    turns.push(this);
    this.#bench.onTurn(this, turns.length - 1);
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
  const request = jsonRequest({ model: 'm', stream: options.stream ?? false });
  const bench: Bench = {
    turns: [],
    clock,
    stats,
    onTurn: () => {},
    harness: createFilterHarness([{ name: 'fallback', nesting: true, factory: create }], {
      terminal: (callbacks) => new ScriptedTurn(bench, callbacks),
      above: (run) => {
        run.cluster = clusters.get('a');
        run.routeTimeouts = { firstByteMs: 77 };
      },
      prepare: (info) => {
        if (options.deadlineMs !== undefined) info.deadlineMs = clock.monotonicMs() + options.deadlineMs;
        info.mirrored = options.mirrored === true;
        info.inference = request;
      },
    }),
    start: () => {
      bench.harness.sendHeaders(chatRequestHeaders(...(options.headers ?? [])), false);
      bench.harness.sendRequest(request);
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
