import type { RequestHeaders } from './headers.js';
import type { Delta, InferenceRequest, TokenUsage } from './inference.js';
import { createToken, type InjectionToken } from './injection.js';
import type { RequestScope } from './scope.js';
import type { UpstreamExchange, UpstreamHandler } from './upstream.js';
import type { UpstreamTimeouts, Worker } from './worker.js';

/** One call to a worker: everything that a backend may use. */
export interface BackendCall {
  readonly worker: Worker;
  /** Hygienic copy made for this attempt; the backend may change it. */
  readonly headers: RequestHeaders;
  /** Undefined for calls that are not inference (GET proxies). */
  readonly request: InferenceRequest | undefined;
  readonly timeouts: UpstreamTimeouts;
  /** Data-parallel rank to name to the engine. */
  readonly dpRank?: number | undefined;
  readonly scope: RequestScope;
}

/** Receives the answer: bytes when the worker speaks the client's dialect, deltas otherwise (`headers.kind`). */
export interface BackendSink extends UpstreamHandler {
  /** `endStream` with the last one, exactly once. */
  onDelta(delta: Delta, endStream: boolean): void;
  /** Counts that the worker has stated while there is nothing to pass on yet, not even the head. */
  onUsage?(usage: TokenUsage): void;
}

/**
 * A worker dialect: one value per dialect, stateless but for what it shares. Translates requests and answers; owns no
 * retry, no load count, no choice of worker.
 */
export interface Backend {
  readonly type: string;
  /** Client apis whose bytes it can forward untouched. */
  readonly nativeApis: readonly string[];
  /** Streams of its native `chat` and `completions` state token counts only where `stream_options` ask for them. */
  readonly usageOnRequest?: boolean;
  /** Starts one call. `GatewayError` may be thrown for requests that the dialect cannot carry. */
  send(call: BackendCall, sink: BackendSink): UpstreamExchange;
}

/** Backends of the generation. */
export interface Backends {
  /** By `type`, with the settings of the provider where that has its own; undefined when none is registered under it. */
  get(type: string, provider?: string): Backend | undefined;
}

export const Backends: InjectionToken<Backends> = createToken('Backends');
