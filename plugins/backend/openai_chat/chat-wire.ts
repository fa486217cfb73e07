import {
  type FinishReason,
  isJsonObject,
  type JsonObject,
  type TextLogprobs,
  type TokenUsage,
} from '../../../core/api/index.js';
import { UsageCounts } from '../../../core/inference/usage-counts.js';

/** Answers of chat completions as workers write them: nothing is taken for granted but that it is JSON. */

export function objectsIn(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

/** Undefined for anything but a text with something in it. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** `usage` of an answer or a chunk; also where Groq puts it (`x_groq.usage`). */
export function usageOf(body: JsonObject): TokenUsage | undefined {
  const counts = new UsageCounts();
  counts.read(isJsonObject(body.usage) ? body.usage : isJsonObject(body.x_groq) ? body.x_groq.usage : undefined);
  return counts.toUsage('openai');
}

const REASONS: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  eos: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
  abort: 'abort',
};

/** OpenAI's reason, and the worker's own word where that is another. */
export function reasonOf(word: string): { readonly reason: FinishReason; readonly providerReason?: string } {
  const reason = Object.hasOwn(REASONS, word) ? REASONS[word] : undefined;
  return reason === undefined ? { reason: 'stop', providerReason: word } : { reason };
}

/** What ended a choice: SGLang says `matched_stop`, vLLM `stop_reason`; a text or a token id. */
export function matchedStopOf(choice: JsonObject): string | number | undefined {
  for (const value of [choice.matched_stop, choice.stop_reason]) {
    if (typeof value === 'string' || typeof value === 'number') return value;
  }
  return undefined;
}

export function logprobsOf(choice: JsonObject): TextLogprobs | undefined {
  const content = isJsonObject(choice.logprobs) ? objectsIn(choice.logprobs.content) : [];
  if (content.length === 0) return undefined;
  return { content: content.map((entry) => ({ ...tokenOf(entry), top: objectsIn(entry.top_logprobs).map(tokenOf) })) };
}

function tokenOf({ token, logprob, bytes }: JsonObject): {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[] | null;
} {
  return {
    token: typeof token === 'string' ? token : '',
    logprob: typeof logprob === 'number' ? logprob : 0,
    bytes: Array.isArray(bytes) ? (bytes as number[]) : null,
  };
}
