import type { JsonObject } from './inference.js';

/**
 * Where the bytes of an image, a document or a sound are. `base64` data has no white space; `file` is an id in the files
 * of one vendor; `text` is a document that is text.
 */
export type MediaSource =
  | { readonly kind: 'base64'; readonly mediaType: string; readonly data: string }
  | { readonly kind: 'url'; readonly url: string; readonly mediaType?: string }
  | { readonly kind: 'file'; readonly fileId: string }
  | { readonly kind: 'text'; readonly mediaType: string; readonly text: string };

/** What every part may carry. */
interface PartBase {
  /** Dotted path in the client's body, for errors: `messages[2].content[0]`. */
  readonly param: string;
  /** Anthropic's `cache_control`, as it came. Dialects without prompt-cache marks drop it. */
  readonly cacheControl?: JsonObject;
}

export interface TextPart extends PartBase {
  readonly kind: 'text';
  readonly text: string;
  /** Citations of an answer that is sent back as history, in the words of `vendor` dialects. */
  readonly citations?: readonly unknown[];
}

export interface ImagePart extends PartBase {
  readonly kind: 'image';
  readonly source: MediaSource;
  /** OpenAI's `detail`. */
  readonly detail?: string;
}

export interface DocumentPart extends PartBase {
  readonly kind: 'document';
  readonly source: MediaSource;
  readonly title?: string;
  /** Anthropic's `context` and `citations`, as they came. */
  readonly context?: string;
  readonly citations?: JsonObject;
}

export interface AudioPart extends PartBase {
  readonly kind: 'audio';
  readonly source: MediaSource;
}

export interface VideoPart extends PartBase {
  readonly kind: 'video';
  readonly source: MediaSource;
}

/** An answer's refusal, sent back as history. */
export interface RefusalPart extends PartBase {
  readonly kind: 'refusal';
  readonly text: string;
}

/** Thoughts of an earlier answer. Vendors that sign them take them back only with their signature. */
export interface ReasoningPart extends PartBase {
  readonly kind: 'reasoning';
  readonly text: string;
  /** Whose signature it is: `anthropic`, `gemini`. Absent without one. */
  readonly vendor?: string;
  readonly signature?: string;
}

/** Thoughts that only the vendor can read. */
export interface RedactedReasoningPart extends PartBase {
  readonly kind: 'redacted_reasoning';
  readonly vendor: string;
  readonly data: string;
}

/** A call of a tool in an assistant's turn. */
export interface ToolCallPart extends PartBase {
  readonly kind: 'tool_call';
  readonly id: string;
  readonly name: string;
  /** JSON text as the client sent it, not checked; for a `custom` call plain text. May be empty. */
  readonly arguments: string;
  /** OpenAI's `custom` tools take text instead of JSON. */
  readonly custom?: boolean;
  /** Gemini's thought signature, where the client sent it back. */
  readonly signature?: string;
}

/** The answer to a call. Only in turns of role `tool`. */
export interface ToolResultPart extends PartBase {
  readonly kind: 'tool_result';
  readonly callId: string;
  /** Name of the tool, where the client said it. */
  readonly name?: string;
  readonly content: readonly Part[];
  readonly isError?: boolean;
}

/** Something that only one vendor knows (server tools, search results): kept for it, dropped or refused elsewhere. */
export interface VendorPart extends PartBase {
  readonly kind: 'vendor';
  readonly vendor: string;
  readonly data: JsonObject;
}

export type Part =
  | TextPart
  | ImagePart
  | DocumentPart
  | AudioPart
  | VideoPart
  | RefusalPart
  | ReasoningPart
  | RedactedReasoningPart
  | ToolCallPart
  | ToolResultPart
  | VendorPart;

/**
 * One turn, in the client's order. Not merged and not repaired: neighbours may have the same role. Turns of role `tool`
 * hold `tool_result` parts only, and those stand nowhere else; they come before the rest of what the client said with them.
 */
export interface Turn {
  /** `developer` counts as `system`. */
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly parts: readonly Part[];
  /** OpenAI's `name` of a participant. */
  readonly name?: string;
  readonly param: string;
}

/** A tool that the model may call. */
export type ToolDeclaration =
  | {
      readonly kind: 'function';
      readonly name: string;
      readonly description?: string;
      /** JSON Schema of the arguments, as it came. */
      readonly parameters?: JsonObject;
      readonly strict?: boolean;
      readonly cacheControl?: JsonObject;
      readonly param: string;
    }
  /** Takes text; `format` is OpenAI's (a grammar). */
  | {
      readonly kind: 'custom';
      readonly name: string;
      readonly description?: string;
      readonly format?: JsonObject;
      readonly param: string;
    }
  /** A typed tool of a vendor (`web_search_20250305`, `google_search`), as it came. */
  | { readonly kind: 'vendor'; readonly type: string; readonly data: JsonObject; readonly param: string };

/** Which tools the model may or must call. `allowed` narrows the declared tools to `names`. */
export type ToolChoice =
  | { readonly mode: 'auto' | 'none' | 'required' }
  | { readonly mode: 'tool'; readonly name: string }
  | { readonly mode: 'allowed'; readonly required: boolean; readonly names: readonly string[] };

export const REASONING_EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;
export type ReasoningEffort = (typeof REASONING_EFFORTS)[number];

/** How much the model is to think. Absent fields: the model's default. */
export interface ReasoningRequest {
  readonly effort?: ReasoningEffort;
  /** Anthropic's modes; `enabled` comes with `budgetTokens`. */
  readonly mode?: 'enabled' | 'disabled' | 'adaptive';
  readonly budgetTokens?: number;
  /** The client's `thinking` object, as it came, for the vendor that knows it. */
  readonly thinking?: JsonObject;
}

/** What form the answer must have. Absent: text. */
export type ResponseFormat =
  | { readonly kind: 'json_object' }
  | {
      readonly kind: 'json_schema';
      readonly name: string;
      readonly description?: string;
      readonly schema: JsonObject;
      readonly strict: boolean;
    };

/** Numbers as the client sent them: checked to be numbers, not to be in any dialect's range. */
export interface SamplingRequest {
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly logitBias?: JsonObject;
}

/**
 * What a conversational request means, whichever dialect it was written in: made by the client's api, read by the backend
 * of a worker that speaks another one. The model's name is not here: it is {@link InferenceRequest.model}.
 */
export interface Conversation {
  readonly turns: readonly Turn[];
  readonly tools: readonly ToolDeclaration[];
  readonly toolChoice?: ToolChoice;
  readonly parallelToolCalls?: boolean;
  /** Most tokens of the answer, thoughts included. */
  readonly maxTokens?: number;
  readonly sampling: SamplingRequest;
  /** Texts that end the answer; may be empty. */
  readonly stop: readonly string[];
  /** Number of answers; 1 unless asked otherwise. */
  readonly choices: number;
  /** Log probabilities are wanted, with so many rivals. */
  readonly logprobs?: { readonly top: number };
  readonly reasoning?: ReasoningRequest;
  readonly responseFormat?: ResponseFormat;
  /** OpenAI's `modalities`, lower case. */
  readonly modalities?: readonly string[];
  /** OpenAI's `audio`: voice and format of a spoken answer. */
  readonly audio?: JsonObject;
  /** OpenAI's `web_search_options`. */
  readonly webSearch?: JsonObject;
  /** Who asks, for the provider's abuse watch. */
  readonly user?: string;
  readonly serviceTier?: string;
  readonly stream: boolean;
  /**
   * Top-level fields of the client's body that nothing above stands for, as they came. A dialect takes those it knows and
   * drops or refuses the rest.
   */
  readonly extra: Readonly<JsonObject>;
}
