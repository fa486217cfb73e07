import type { TokenUsage } from '../api/inference.js';

const ABSENT = -1;
const NAMES = {
  input: Buffer.from('input_tokens'),
  prompt: Buffer.from('prompt_tokens'),
  output: Buffer.from('output_tokens'),
  cached: Buffer.from('cached_tokens'),
  reasoning: Buffer.from('reasoning_tokens'),
  completion: Buffer.from('completion_tokens'),
  cacheRead: Buffer.from('cache_read_input_tokens'),
  cacheCreation: Buffer.from('cache_creation_input_tokens'),
};

/** The numbers of one usage object as a worker named them. */
export class UsageCounts {
  #prompt = ABSENT;
  #completion = ABSENT;
  #input = ABSENT;
  #output = ABSENT;
  #cached = ABSENT;
  #cachedDetail = ABSENT;
  #reasoning = ABSENT;
  #reasoningDetail = ABSENT;
  #cacheRead = ABSENT;
  #cacheCreation = ABSENT;

  /** Takes the count whose name is `bytes[start, end)`, if it is one. `detail`: it stood in a `…_details` object. */
  set(bytes: Buffer, start: number, end: number, value: number, detail: boolean): void {
    // The length tells nearly all of them apart, so a name is compared with one other at most.
    switch (end - start) {
      case 12:
        if (!detail && equals(bytes, start, NAMES.input)) this.#input = value;
        break;
      case 13:
        if (equals(bytes, start, NAMES.cached)) {
          if (detail) this.#cachedDetail = value;
          else this.#cached = value;
        } else if (detail) break;
        else if (equals(bytes, start, NAMES.prompt)) this.#prompt = value;
        else if (equals(bytes, start, NAMES.output)) this.#output = value;
        break;
      case 16:
        if (!equals(bytes, start, NAMES.reasoning)) break;
        if (detail) this.#reasoningDetail = value;
        else this.#reasoning = value;
        break;
      case 17:
        if (!detail && equals(bytes, start, NAMES.completion)) this.#completion = value;
        break;
      case 23:
        if (!detail && equals(bytes, start, NAMES.cacheRead)) this.#cacheRead = value;
        break;
      case 27:
        if (!detail && equals(bytes, start, NAMES.cacheCreation)) this.#cacheCreation = value;
        break;
    }
  }

  /**
   * As OpenAI means them: chat and completions (`prompt_tokens`, …), Responses (`input_tokens`, …), and SGLang's
   * `meta_info`, which uses the same names. Undefined when there is no count.
   */
  toOpenAiUsage(): TokenUsage | undefined {
    return usageOf(
      firstOf(this.#prompt, this.#input),
      firstOf(this.#completion, this.#output),
      firstOf(this.#cachedDetail, this.#cached),
      ABSENT,
      firstOf(this.#reasoningDetail, this.#reasoning),
    );
  }

  /** As Anthropic means them, whose `input_tokens` leave out what was read from or written to the cache. */
  toAnthropicUsage(): TokenUsage | undefined {
    const input = this.#input;
    const read = this.#cacheRead;
    const written = this.#cacheCreation;
    const prompt = input === ABSENT ? ABSENT : input + Math.max(read, 0) + Math.max(written, 0);
    return usageOf(prompt, this.#output, read, written, ABSENT);
  }
}

function firstOf(preferred: number, other: number): number {
  return preferred === ABSENT ? other : preferred;
}

function usageOf(
  prompt: number,
  completion: number,
  cached: number,
  written: number,
  reasoning: number,
): TokenUsage | undefined {
  const usage: TokenUsage = {};
  if (prompt !== ABSENT) usage.promptTokens = prompt;
  if (completion !== ABSENT) usage.completionTokens = completion;
  if (cached !== ABSENT) usage.cachedTokens = cached;
  if (written !== ABSENT) usage.cacheWriteTokens = written;
  if (reasoning !== ABSENT) usage.reasoningTokens = reasoning;
  const known = prompt !== ABSENT || completion !== ABSENT || cached !== ABSENT || written !== ABSENT;
  return known || reasoning !== ABSENT ? usage : undefined;
}

/** Lengths are known to be equal. */
function equals(bytes: Buffer, start: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}
