import type { JsonObject } from '../../../core/api/index.js';

/** A content block of a request, as far as it is built here. Shapes: Anthropic's Messages API reference. */
export type RequestBlock = JsonObject & { readonly type: string };

/** A message of a request. */
export interface RequestMessage {
  readonly role: 'user' | 'assistant';
  readonly content: string | readonly RequestBlock[];
}

export interface WireError {
  type?: unknown;
  message?: unknown;
}
