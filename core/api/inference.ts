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
  /** Part of `completionTokens` that was spent on reasoning. */
  reasoningTokens?: number;
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

/**
 * One step of an answer, in order. `choice` is the OpenAI choice index. Produced by a backend, refined by each filter
 * on its way up, rendered by the client's api.
 */
export type Delta =
  /** Only below `tokenizer`. */
  | { kind: 'tokens'; choice: number; ids: readonly number[]; logprobs?: TokenLogprobs }
  /** Raw model text; only below the parsers. */
  | { kind: 'text'; choice: number; text: string; logprobs?: TextLogprobs }
  | { kind: 'reasoning'; choice: number; text: string }
  | { kind: 'content'; choice: number; text: string; logprobs?: TextLogprobs }
  /** Fragments of one call share `index`; `arguments` append. */
  | { kind: 'tool_call'; choice: number; index: number; id?: string; name?: string; arguments?: string }
  /** Kept for the same vendor's dialect (thinking signatures, citations), dropped with a counter elsewhere. */
  | { kind: 'vendor'; choice: number; vendor: string; data: unknown }
  | { kind: 'finish'; choice: number; reason: FinishReason; matchedStop?: string | number }
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
  /** Raw JSON text of a top-level field (the last one, if repeated), or undefined. No parse of the rest. */
  rawField(name: string): string | undefined;
  /** Replaces or adds a top-level field by splicing `rawJson` into the bytes; the rest stays as it was. */
  setField(name: string, rawJson: string): void;
  /** Resolves the model name in body and `model`; in multipart forms the `model` part. */
  setModel(model: string): void;
  /** A copy for one attempt: shares bytes and parse, has its own changes. */
  fork(): InferenceRequest;
}
