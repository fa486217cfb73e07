import type { Conversation } from './conversation.js';

/** Why a choice ended, in OpenAI's words. Other dialects are mapped in their backend and api plugins. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'abort';

/** Tokens of one answer. Absent fields are unknown, not zero. All counts are tokens. */
export interface TokenUsage {
  promptTokens?: number;
  completionTokens?: number;
  /** Part of `promptTokens` that was read from a prefix cache. */
  cachedTokens?: number;
  /** Part of `promptTokens` that was written to a provider's cache. */
  cacheWriteTokens?: number;
  /** Part of `cacheWriteTokens` that is kept for an hour, where that has a price of its own (Anthropic). */
  cacheWriteHourTokens?: number;
  /** Part of `completionTokens` that was spent on reasoning. */
  reasoningTokens?: number;
  /** Part of `promptTokens` that was sound. */
  promptAudioTokens?: number;
  /** Part of `completionTokens` that was sound. */
  completionAudioTokens?: number;
  /** Some counts are the gateway's guess: the answer was cut, or its worker stated none. */
  estimated?: boolean;
}

/** Log probability of one sampled token and of its rivals, by token id. */
export interface TokenLogprobs {
  readonly logprobs: readonly number[];
  readonly top?: readonly { readonly ids: readonly number[]; readonly logprobs: readonly number[] }[];
}

/** The same after detokenisation, as OpenAI's `logprobs.content`. */
export interface TextLogprobs {
  readonly content: readonly {
    readonly token: string;
    readonly logprob: number;
    readonly bytes: readonly number[] | null;
    readonly top: readonly {
      readonly token: string;
      readonly logprob: number;
      readonly bytes: readonly number[] | null;
    }[];
  }[];
}

/** A source of the answer's text: UTF-16 offsets into the content of its choice. */
export interface UrlCitation {
  readonly url: string;
  readonly title: string;
  readonly startIndex: number;
  readonly endIndex: number;
}

/**
 * One step of an answer, in order. `choice` is the OpenAI choice index. Produced by a backend, refined by each filter
 * on its way up, rendered by the client's api.
 */
export type Delta =
  /**
   * What the worker calls the answer, where it says so: its id, without the prefix of its dialect, and the model that made
   * it; `serviceTier`: how it was served, in OpenAI's words.
   */
  | { kind: 'start'; responseId?: string; model?: string; serviceTier?: string }
  /** The worker is alive but has nothing yet. */
  | { kind: 'keep_alive' }
  /** Only below `tokenizer`. */
  | { kind: 'tokens'; choice: number; ids: readonly number[]; logprobs?: TokenLogprobs }
  /** Raw model text; only below the parsers. */
  | { kind: 'text'; choice: number; text: string; logprobs?: TextLogprobs }
  | { kind: 'reasoning'; choice: number; text: string }
  | { kind: 'content'; choice: number; text: string; logprobs?: TextLogprobs }
  | { kind: 'refusal'; choice: number; text: string }
  /**
   * Fragments of one call share `index`, which counts the calls of the choice from 0; `arguments` append. `custom`: the
   * call of a tool that takes text; `signature` (Gemini's, base64) must come back with the call.
   */
  | {
      kind: 'tool_call';
      choice: number;
      index: number;
      id?: string;
      name?: string;
      arguments?: string;
      custom?: boolean;
      signature?: string;
    }
  /** Signs the reasoning since the last one, or is thoughts that only the vendor can read (`redacted`). */
  | { kind: 'reasoning_signature'; choice: number; vendor: string; signature: string; redacted?: boolean }
  | { kind: 'annotation'; choice: number; annotation: UrlCitation }
  /** A generated image as a `data:` URL. */
  | { kind: 'image'; choice: number; url: string }
  /** Generated speech, base64. */
  | { kind: 'audio'; choice: number; mediaType: string; data: string }
  /** Kept for the same vendor's dialect (blocks of server tools), dropped with a counter elsewhere. */
  | { kind: 'vendor'; choice: number; vendor: string; data: unknown }
  /** `providerReason`: the worker's own word where OpenAI has none for it. */
  | { kind: 'finish'; choice: number; reason: FinishReason; matchedStop?: string | number; providerReason?: string }
  /** The last one wins, merged per field. */
  | { kind: 'usage'; usage: TokenUsage };

export type JsonObject = { [key: string]: unknown };

/**
 * One request to a model, read once by `inference` and then the body of everything below it: from there down the bytes
 * travel in here and `decodeData` is not called.
 *
 * Fields the gateway does not act on are never touched: {@link InferenceRequest.bytes} is the client's own body, byte
 * for byte, until {@link InferenceRequest.setField} changes it, and then only that field's bytes differ.
 */
export interface InferenceRequest {
  /** `type` of the client api: `chat`, `completions`, `messages`, … */
  readonly api: string;
  /** `multipart` bodies (audio) have no JSON view. */
  readonly format: 'json' | 'multipart';
  /** Media type as the client sent it, with parameters (the multipart boundary). */
  readonly contentType: string;
  /** Model as the client named it; undefined when it named none. */
  readonly requestedModel: string | undefined;
  /** Model that the worker is asked for: `requestedModel` until `model` resolved an alias. Set through `setModel`. */
  readonly model: string | undefined;
  /** Whether the client asked for a stream. */
  readonly stream: boolean;
  /**
   * The body to send, UTF-8. The memory it was received in while nothing changed: do not write into it, and copy what
   * must outlive the request's scope, at whose end that memory is used for another request.
   */
  bytes(): Buffer;
  /** The whole body parsed, once, on first call (not after the scope's end). A view: changing it changes nothing. Throws BugError for multipart. */
  json(): JsonObject;
  /**
   * Raw JSON text of a top-level field (the last one, if repeated), or undefined. No parse of the rest. `maxBytes`: no
   * more than its beginning.
   */
  rawField(name: string, maxBytes?: number): string | undefined;
  /** Replaces or adds a top-level field by splicing `rawJson` into the bytes; the rest stays as it was. */
  setField(name: string, rawJson: string): void;
  /** Removes a top-level field, every repetition of it; the rest stays as it was. No field, no change. */
  deleteField(name: string): void;
  /**
   * What the request means, read by its api on first call and kept. Throws GatewayError where the body is wrong
   * (`invalid_type`, `invalid_value`, with `param`), and `endpoint_not_supported` for apis that are no conversation.
   */
  conversation(): Conversation;
  /** Resolves the model name in body and `model`; in multipart forms the `model` part. */
  setModel(model: string): void;
  /** A copy for one attempt: shares bytes and parse, has its own changes. */
  fork(): InferenceRequest;
  /** A copy in memory of its own, which may outlive the request's scope. Copies the body. */
  detach(): InferenceRequest;
}
