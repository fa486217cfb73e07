import type { JsonObject } from '../../../core/api/index.js';

/** A content block of a request, as far as it is built here. Shapes: Anthropic's Messages API reference. */
export type RequestBlock = JsonObject & { readonly type: string };

/** A message of a request. */
export interface RequestMessage {
  readonly role: 'user' | 'assistant';
  readonly content: string | readonly RequestBlock[];
}

/** `usage` of an answer and of its events: counts are of the whole answer so far, null and absent mean not stated. */
export interface WireUsage {
  input_tokens?: number | null | undefined;
  output_tokens?: number | null | undefined;
  cache_creation_input_tokens?: number | null | undefined;
  cache_read_input_tokens?: number | null | undefined;
  output_tokens_details?: { thinking_tokens?: number | null } | null | undefined;
}

export interface WireError {
  type?: unknown;
  message?: unknown;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
