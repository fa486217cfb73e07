import type { FinishReason } from '../../../core/api/index.js';

const CONTENT_FILTER: ReadonlySet<string> = new Set([
  'SAFETY',
  'RECITATION',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'LANGUAGE',
  'IMAGE_SAFETY',
  'IMAGE_PROHIBITED_CONTENT',
  'IMAGE_RECITATION',
]);

export interface DecodedFinish {
  readonly reason: FinishReason;
  /** Gemini's own word, where OpenAI has none: the answer went wrong, or ended for a reason that is new. */
  readonly providerReason?: string;
}

export function decodeFinishReason(reason: string, hasCalls: boolean): DecodedFinish {
  if (reason === 'STOP') return { reason: hasCalls ? 'tool_calls' : 'stop' };
  if (reason === 'MAX_TOKENS') return { reason: 'length' };
  if (CONTENT_FILTER.has(reason)) return { reason: 'content_filter' };
  return { reason: 'stop', providerReason: reason };
}
