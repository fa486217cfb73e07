import type { ErrorKind } from './worker.js';

/** A request in no API's words. */
export interface Ask {
  readonly model: string;
  readonly text: string;
  readonly system?: string;
  /** `data:` or `https:` URL. */
  readonly image?: string;
  /** Names; each takes a `city`. */
  readonly tools?: readonly string[];
  /** JSON Schema of the answer. */
  readonly schema?: Readonly<Record<string, unknown>>;
  readonly reasons?: boolean;
  readonly stop?: readonly string[];
  readonly choices?: number;
  /** The turn before, as it was answered, and a result for each of its calls in the order of these. */
  readonly after?: { readonly answer: Answer; readonly results: readonly (readonly [id: string, text: string])[] };
}

export interface AnswerCall {
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
}

/** An answer in no API's words. */
export interface Answer {
  readonly model: string;
  readonly text: string;
  readonly reasoning: string;
  readonly calls: readonly AnswerCall[];
  readonly finish: 'stop' | 'length' | 'tool_calls' | 'content_filter';
  /** The stop sequence that was met, where the worker tells. */
  readonly matchedStop: string | undefined;
  /** Tokens. `input` has those that were `cached` in it. */
  readonly usage: { readonly input: number; readonly output: number; readonly cached: number };
  /** Texts of all choices. */
  readonly choices: readonly string[];
  /** The message as the SDK gave it, to go on from. */
  readonly turn: unknown;
}

/** A vendor's SDK as client of the gateway. */
export interface MatrixClient {
  /** Collected by the gateway, or streamed and put together by the SDK. */
  ask(ask: Ask, way: 'whole' | 'streamed'): Promise<Answer>;
  /** Reads a stream event by event; resolves with the text once it has ended, rejects with what the SDK raises. */
  read(ask: Ask, onText: (text: string) => void): Promise<void>;
  /** Reads a stream up to the first text and leaves. */
  leave(ask: Ask): Promise<void>;
  countTokens(ask: Ask): Promise<number>;
  /** Class, and status, that the SDK has for each kind. */
  readonly errors: Readonly<Record<ErrorKind, readonly [new (...args: never[]) => Error, number]>>;
  /** Base class of all that it raises for answers. */
  readonly apiError: new (
    ...args: never[]
  ) => Error & { readonly headers?: Headers };
  /** What it raises when it is not answered: never right where the gateway is there. */
  readonly connectionError: new (
    ...args: never[]
  ) => Error;
}
