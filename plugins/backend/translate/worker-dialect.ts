import type {
  BackendCall,
  Conversation,
  Delta,
  GatewayError,
  InferenceRequest,
  JsonObject,
  ResponseHeaders,
} from '../../../core/api/index.js';

/** What a request becomes in a worker's dialect. */
export interface EncodedRequest {
  /** Path and query below the worker's base path. */
  readonly path: string;
  readonly body: JsonObject;
  /** Fields to set in the head, lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * What the client asked for and the dialect cannot say, by the client's name for it; `name:clamped` for a number that was
   * brought into range. Shown in `x-smg-dropped-params`.
   */
  readonly dropped: readonly string[];
  /** Reader of the answer to this request. */
  createDecoder(): AnswerDecoder;
}

/** Takes the deltas of one answer, in order. */
export type EmitDelta = (delta: Delta) => void;

/**
 * Reads one answer of a worker into deltas. One per call, dropped with it. Deltas are emitted inside the calls.
 * `GatewayError`s may be thrown from each: they end the answer.
 */
export interface AnswerDecoder {
  /** A whole answer that was not streamed; emits all of it, `finish` included. */
  onAnswer(answer: JsonObject, emit: EmitDelta): void;
  /**
   * One event of a streamed answer. `event` is its name, undefined without one; `data` its payload (never undefined, never
   * JSON-parsed). True when it was the last: the answer is complete, whatever follows.
   */
  onEvent(event: string | undefined, data: string, emit: EmitDelta): boolean;
  /** The stream ended without a last event. True when it is complete all the same (what is left is emitted). */
  onEnd(emit: EmitDelta): boolean;
}

/**
 * A worker's dialect as pure translation: no sockets, no state beyond one answer. `TranslatingBackend` does the rest.
 */
export interface WorkerDialect {
  readonly type: string;
  /** Client apis whose bytes are forwarded as they are. */
  readonly nativeApis: readonly string[];
  /**
   * Called before what is forwarded goes: may change the head (path included; it is the client's path) and the request (a
   * fork of its own; undefined for calls that are no inference). Absent: nothing but the address changes.
   */
  prepareNative?(request: InferenceRequest | undefined, call: BackendCall): void;
  /** Writes a conversation in this dialect. Throws GatewayError for what it cannot carry. */
  encode(conversation: Conversation, call: BackendCall): EncodedRequest;
  /**
   * What a status outside 2xx means. `body` is text, at most 1 MiB, as it came. The result carries `upstreamStatus`; its
   * message is sent to the client and has been through `redactMessage`.
   */
  readError(status: number, headers: ResponseHeaders, body: string): GatewayError;
  /** A field of a good answer's head as the client gets it, name and value; undefined for those that it does not get. Default: none. */
  keepHeader?(name: string, value: string): readonly [name: string, value: string] | undefined;
}
