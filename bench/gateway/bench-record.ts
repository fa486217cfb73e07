import type { LoadResult } from './load-tally.js';

/** One case, measured once. */
export interface Sample {
  readonly round: number;
  readonly target: string;
  readonly caseName: string;
  readonly load: LoadResult;
  /** CPU time of the gateway with its descendants while the case ran. */
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Share of the gateway's core that other processes took; 0 when nothing is pinned. */
  readonly foreignGatewayShare: number;
  /** Share of the load core that neither worker nor load client took. */
  readonly foreignLoadShare: number;
  readonly stealShare: number;
  /** How often it was measured because others disturbed; the last attempt is kept. */
  readonly attempts: number;
  readonly isNoisy: boolean;
  readonly upstreamConnections: number;
  readonly upstreamRequests: readonly number[];
  /** Why it does not count: a wrong or missing answer, or a request that the worker could not accept. */
  readonly failure: string | undefined;
}

/** What is measured once per start of a target. */
export interface StartRecord {
  readonly round: number;
  readonly target: string;
  /** From spawning the process to its first 200 for a chat request. */
  readonly coldStartMs: number;
  readonly idleMib: number;
  readonly peakMib: number;
  readonly processes: number;
}

/** A whole run, as `--json` writes it. */
export interface BenchRecord {
  readonly startedAt: string;
  readonly machine: string;
  readonly node: string;
  readonly revision: string;
  /** Cores of gateway and load; undefined when the processes ran unpinned. */
  readonly cores: readonly [gateway: number, load: number] | undefined;
  readonly rounds: number;
  readonly durationMs: number;
  readonly targets: readonly string[];
  readonly cases: readonly string[];
  readonly samples: readonly Sample[];
  readonly starts: readonly StartRecord[];
  /** Targets that did not run, with the reason. */
  readonly skipped: readonly string[];
  /** Starts, or whole rounds of a target, that failed. */
  readonly failedStarts: readonly string[];
}
