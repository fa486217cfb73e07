import type { TokenUsage } from '../api/inference.js';

const COUNTS = ['promptTokens', 'completionTokens', 'cachedTokens', 'cacheWriteTokens', 'reasoningTokens'] as const;

/** Merges what an answer says about its tokens in several places: the last value of each field wins. */
export class UsageAccumulator {
  #usage: TokenUsage | undefined = undefined;

  /** Undefined until something was added. */
  get usage(): TokenUsage | undefined {
    return this.#usage;
  }

  add(usage: TokenUsage): void {
    this.#usage ??= {};
    for (const count of COUNTS) if (usage[count] !== undefined) this.#usage[count] = usage[count];
  }
}

/**
 * Reads an OpenAI `usage` object: chat and completions (`prompt_tokens`, …), Responses (`input_tokens`, …), and SGLang's
 * `meta_info`, which uses the same names. Undefined when it holds no count.
 */
export function usageFromOpenAi(json: unknown): TokenUsage | undefined {
  if (!isObject(json)) return undefined;
  const input = objectOf(json.prompt_tokens_details ?? json.input_tokens_details);
  const output = objectOf(json.completion_tokens_details ?? json.output_tokens_details);
  return usageOf(
    json.prompt_tokens ?? json.input_tokens,
    json.completion_tokens ?? json.output_tokens,
    input.cached_tokens ?? json.cached_tokens,
    undefined,
    output.reasoning_tokens ?? json.reasoning_tokens,
  );
}

/** Reads an Anthropic `usage` object, whose `input_tokens` leave out what was read from or written to the cache. */
export function usageFromAnthropic(json: unknown): TokenUsage | undefined {
  if (!isObject(json)) return undefined;
  const read = count(json.cache_read_input_tokens);
  const written = count(json.cache_creation_input_tokens);
  const input = count(json.input_tokens);
  const prompt = input === undefined ? undefined : input + (read ?? 0) + (written ?? 0);
  return usageOf(prompt, json.output_tokens, read, written, undefined);
}

function usageOf(
  prompt: unknown,
  completion: unknown,
  cached: unknown,
  written: unknown,
  reasoning: unknown,
): TokenUsage | undefined {
  const usage: TokenUsage = {};
  const values = [prompt, completion, cached, written, reasoning];
  let known = false;
  for (const [index, name] of COUNTS.entries()) {
    const value = count(values[index]);
    if (value === undefined) continue;
    usage[name] = value;
    known = true;
  }
  return known ? usage : undefined;
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objectOf(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}
