import type { Conversation } from './conversation.js';
import type { GatewayError } from './errors.js';
import type { RequestHeaders, ResponseHeaders } from './headers.js';
import type { Delta, InferenceRequest, JsonObject } from './inference.js';

/** Whose error envelope, and list of models, a client expects. */
export type ErrorDialect = 'openai' | 'anthropic';

/**
 * How the end of a stream is recognised, so that a cut one never looks complete:
 * `done` the event `data: [DONE]` (OpenAI chat and completions, SGLang generate); `message_stop` that named event
 * (Anthropic Messages); `response_terminal` one of `response.completed|failed|incomplete` (OpenAI Responses);
 * `eof` the end of the body.
 */
export type StreamTerminator = 'done' | 'message_stop' | 'response_terminal' | 'eof';

/**
 * A client dialect: which requests it takes and how an answer is written for it. One value per dialect; stateless.
 * `create` of its definition returns this.
 */
export interface ClientApi {
  readonly type: string;
  /** Exact paths, all POST. */
  readonly paths: readonly string[];
  readonly requestFormat: 'json' | 'multipart';
  /** Whether `stream: true` in the body means anything. */
  readonly streams: boolean;
  readonly terminator: StreamTerminator;
  readonly errorDialect: ErrorDialect;
  /** Header that only clients of this dialect send: what the gateway itself answers to such a request has its forms. */
  readonly markerHeader?: string;
  /** Prefix of request ids minted for it: `chatcmpl-`. */
  readonly requestIdPrefix: string;
  /** False when a body without `model` may go to any worker (`/generate`, rerank). */
  readonly requiresModel: boolean;
  /**
   * False for questions about a request that run no model (a token count): they hold no permit of `admission`, and what
   * their answers count was not used. Default true.
   */
  readonly generates?: boolean;
  /** Checks and completes a request's head, in place, before its body is read. Returns the error to answer. */
  completeHead?(headers: RequestHeaders): GatewayError | undefined;
  /** Checks what every request must have, whoever serves it, without parsing the body. Returns the error to answer. */
  checkRequest?(request: InferenceRequest): GatewayError | undefined;
  /**
   * Body for a worker's own error answer (status 400 and above) whose form may not be this dialect's; undefined where it
   * is. `body` is text, at most 1 MiB.
   */
  rewriteError?(status: number, body: string, requestId: string): Buffer | undefined;
  /**
   * Reads a request for workers that speak another dialect. Throws GatewayError (`invalid_type`, `invalid_value`,
   * `missing_required_parameter`) that names the field. Absent: this api is no conversation.
   */
  readConversation?(body: JsonObject, stream: boolean): Conversation;
  /** Writes answers that arrive as deltas. Absent: only workers that speak this dialect can serve it. */
  createRenderer?(request: InferenceRequest, context: RenderContext): DeltaRenderer;
}

/** What reading a request's body takes to know of its api. */
export type RequestRules = Pick<ClientApi, 'type' | 'requestFormat' | 'requiresModel' | 'readConversation'>;

export interface RenderContext {
  /** `id` of the response object, unless a `start` delta says what the worker calls it. */
  readonly responseId: string;
  /** Unix seconds. */
  readonly createdS: number;
  /** Name to show as `model`, unless a `start` delta names one: what the client asked for. */
  readonly model: string;
}

/** Turns the deltas of one answer into the bytes of one response, streamed or collected as the request asked. */
export interface DeltaRenderer {
  /** Deltas so far that this dialect has no place for. Absent: it counts none. */
  readonly droppedDeltas?: number;
  /** Head of the response, before any delta. Status is 200. */
  headers(): ResponseHeaders;
  /** Bytes for one delta; undefined when there is nothing to write yet (always, for a collected answer). */
  delta(delta: Delta): Buffer | undefined;
  /** Bytes that complete the answer: the terminator of a stream, or the whole collected body. */
  end(): Buffer;
  /** Bytes of an in-band error after the head went out; undefined where the dialect has none and a reset must do. */
  error(error: GatewayError): Buffer | undefined;
}
