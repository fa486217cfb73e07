import type { ClientApi, ErrorDialect } from './client-api.js';
import type { InferenceRequest, TokenUsage } from './inference.js';
import type { AnswerProgress, Worker } from './worker.js';

/** One try at a worker, for the access log and for policies that avoid what failed. */
export interface Attempt {
  readonly worker: Worker;
  /** See `LoadHold.dpRank`. */
  readonly dpRank?: number | undefined;
  /** See `LoadHold.answer`. */
  readonly answer?: AnswerProgress | undefined;
  /** Status of its answer; 0 while there is none. */
  status: number;
  /** `details` of the error that ended it; undefined when it answered. */
  error: string | undefined;
  /** Model that the worker was asked for. */
  model?: string | undefined;
  /** Tokens that it took, as far as known: also of an answer that nobody got whole. */
  usage?: TokenUsage | undefined;
  /** Monotonic ms. */
  readonly startedMs: number;
  endedMs: number;
}

/** What a request cost, all its tries together. */
export interface RequestCost {
  /** Whole billionths of the currency's unit. */
  readonly nanos: number;
  /** ISO 4217. */
  readonly currency: string;
  /** Of the price table. */
  readonly priceVersion: string;
  /** Some counts are estimates, or a try has no price. */
  readonly estimated: boolean;
}

/** Who is calling, once `auth` knows. */
export interface Principal {
  /** Bounded: the configured name of the key, never the key. */
  readonly tenant: string;
}

/**
 * Facts of one stream, filled by whoever learns them and read by the access log at the end. One object per stream, all
 * fields set at creation.
 */
export class StreamInfo {
  /** Final after `request_id`. */
  requestId = '';
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  readonly remoteAddress: string;
  readonly listener: string;
  /** As received, query included. */
  readonly path: string;
  readonly method: string;
  /** Bounded name of the endpoint for metrics: the matched path, or `unknown`. */
  endpoint = 'unknown';
  /** Whether the path is one of ours that needs a key: `data` inference, `control` administration, `public` the rest. */
  accessClass: 'public' | 'data' | 'control' = 'public';
  /** The client api that takes this path; undefined for local endpoints and unknown paths. */
  api: ClientApi | undefined = undefined;
  errorDialect: ErrorDialect = 'openai';
  principal: Principal | undefined = undefined;
  inference: InferenceRequest | undefined = undefined;
  route: string | undefined = undefined;
  readonly attempts: Attempt[] = [];
  /** It is a copy of another request, and nobody waits for its answer: nothing is tried twice for it. */
  mirrored = false;
  /** Milliseconds, monotonic clock; 0 until it happened. */
  readonly startedMs: number;
  requestCompleteMs = 0;
  /** First byte of the response body; of the head where there is none. */
  firstByteMs = 0;
  endedMs = 0;
  /** Monotonic time at which the whole request must have ended; 0 none. Set with the route's cluster. */
  deadlineMs = 0;
  requestBytes = 0;
  responseBytes = 0;
  /** Status sent to the client; 0 before. */
  status = 0;
  /** Why it ended so: `details` of the local reply, `client_closed`, or `complete`. */
  responseDetails = '';
  /** Whether the answer was seen to complete and was written whole. */
  complete = false;
  /** Tokens of the answer that the client got, or of the last try that counted any. */
  usage: TokenUsage | undefined = undefined;
  /** The request is accounted for: workers are asked for counts that the client did not ask for, gaps are estimated. */
  needsUsage = false;
  cost: RequestCost | undefined = undefined;

  constructor(
    protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2',
    remoteAddress: string,
    listener: string,
    method: string,
    path: string,
    startedMs: number,
  ) {
    this.protocol = protocol;
    this.remoteAddress = remoteAddress;
    this.listener = listener;
    this.method = method;
    this.path = path;
    this.startedMs = startedMs;
  }
}
