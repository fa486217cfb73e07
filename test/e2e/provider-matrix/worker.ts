import type { WorkerName } from './cases.js';

/** What a worker can be made to fail with. */
export type ErrorKind = 'bad_request' | 'not_found' | 'rate_limit' | 'overloaded';

/** What a worker is to answer, in no API's words. */
export interface Reply {
  readonly text?: string;
  readonly reasoning?: string;
  /** Signs the reasoning, or the first call. */
  readonly signature?: string;
  readonly calls?: readonly { readonly id: string; readonly name: string; readonly input: object }[];
  /** The stop sequence that ended it. */
  readonly matchedStop?: string;
  readonly cachedTokens?: number;
  readonly choices?: number;
  readonly error?: ErrorKind;
  /** Of a stream: its beginning, and then this instead of the rest. */
  readonly ending?: 'cut' | 'end' | 'hold';
}

/** What reached a worker, in no API's words. */
export interface Seen {
  readonly system: string;
  /** `media type` of pictures in the request, or their URL. */
  readonly images: readonly string[];
  readonly tools: readonly string[];
  /** Texts of tool results, in order. */
  readonly results: readonly string[];
  readonly hasSchema: boolean;
  readonly reasons: boolean;
  readonly stop: readonly string[];
  /** Signatures of thoughts or calls that came back. */
  readonly signatures: readonly string[];
}

/** Something behind the gateway that does as it is told and remembers what it was asked. */
export interface MatrixWorker {
  readonly name: WorkerName;
  /** Model of most cases, and those of cases that want another one. */
  readonly model: string;
  readonly models: { readonly reasoning?: string; readonly tools?: string };
  /** The model as it is called in answers. */
  readonly servedModel: (model: string) => string;
  /** Its answers are what {@link reply} says; otherwise it makes them up. */
  readonly scripted: boolean;
  /** What the provider tells in its answers. */
  readonly tells: { readonly reasoning: boolean; readonly matchedStop: boolean };
  /** Statuses that clients see as the worker sent them, since it speaks their dialect. */
  readonly statuses: Partial<Record<ErrorKind, number>>;
  /** Its entry under `clusters`, one line. */
  readonly cluster: string;
  readonly files: Readonly<Record<string, string>>;
  /** For the next request only. */
  reply(reply: Reply): Promise<void>;
  /** The last request. */
  seen(): Seen;
  /** Inference requests so far. */
  asked(): number;
  aborted(): number;
  inFlight(): number;
  close(): Promise<void>;
}
