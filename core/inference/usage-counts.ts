import type { TokenUsage } from '../api/inference.js';

/** Whose meaning the names have: Anthropic's `input_tokens` leave out what was read from or written to a cache. */
export type UsageDialect = 'openai' | 'anthropic';

/** What a count is, whatever object it stands in. */
type Slot =
  | 'prompt'
  | 'input'
  | 'completion'
  | 'output'
  | 'total'
  | 'cached'
  | 'cachedDetail'
  | 'cacheRead'
  | 'cacheWrite'
  | 'cacheWriteDetail'
  | 'cacheWriteHour'
  | 'reasoning'
  | 'reasoningDetail'
  | 'promptAudio'
  | 'completionAudio';

/** Objects inside the usage object whose counts matter: the prefix that their counts have in {@link SLOTS}. */
const GROUPS: ReadonlyMap<string, string> = new Map([
  ['prompt_tokens_details', 'in.'],
  ['input_tokens_details', 'in.'],
  ['completion_tokens_details', 'out.'],
  ['output_tokens_details', 'out.'],
  ['cache_creation', 'cache.'],
]);

/** From the API references of OpenAI, Anthropic, SGLang (`meta_info`), DeepSeek (`prompt_cache_hit_tokens`). */
const SLOTS: ReadonlyMap<string, Slot> = new Map([
  ['prompt_tokens', 'prompt'],
  ['input_tokens', 'input'],
  ['completion_tokens', 'completion'],
  ['output_tokens', 'output'],
  ['total_tokens', 'total'],
  ['cached_tokens', 'cached'],
  ['prompt_cache_hit_tokens', 'cached'],
  ['reasoning_tokens', 'reasoning'],
  ['cache_read_input_tokens', 'cacheRead'],
  ['cache_creation_input_tokens', 'cacheWrite'],
  ['in.cached_tokens', 'cachedDetail'],
  ['in.cache_creation_tokens', 'cacheWriteDetail'],
  ['in.audio_tokens', 'promptAudio'],
  ['out.reasoning_tokens', 'reasoningDetail'],
  ['out.thinking_tokens', 'reasoningDetail'],
  ['out.audio_tokens', 'completionAudio'],
  ['cache.ephemeral_1h_input_tokens', 'cacheWriteHour'],
]);

/**
 * The counts of one answer under the names that workers give them, from all places of the answer that state some: what a
 * later place states replaces what an earlier one did, what it leaves out stays. Made into a TokenUsage only when asked,
 * since a sum of old and new counts would be wrong.
 */
export class UsageCounts {
  readonly #values = new Map<Slot, number>();

  /** Prefix for the names of counts inside the object of this name; undefined where nothing in it counts. */
  static groupOf(name: string): string | undefined {
    return GROUPS.get(name);
  }

  /** Takes one count. `group`: of the object that it stands in, '' for the usage object itself. Other names are ignored. */
  set(group: string, name: string, value: number): void {
    const slot = SLOTS.get(group + name);
    if (slot !== undefined) this.#values.set(slot, value);
  }

  /** Takes the counts of a usage object that was parsed; anything but an object says nothing. */
  read(usage: unknown): void {
    if (typeof usage !== 'object' || usage === null) return;
    for (const [name, value] of Object.entries(usage)) {
      if (isCount(value)) this.set('', name, value);
      const group = UsageCounts.groupOf(name);
      if (group === undefined || typeof value !== 'object' || value === null) continue;
      for (const [inner, count] of Object.entries(value)) if (isCount(count)) this.set(group, inner, count);
    }
  }

  /** Undefined while there is no count. */
  toUsage(dialect: UsageDialect): TokenUsage | undefined {
    const get = (slot: Slot): number | undefined => this.#values.get(slot);
    const read = dialect === 'anthropic' ? get('cacheRead') : (get('cachedDetail') ?? get('cached'));
    const written = dialect === 'anthropic' ? get('cacheWrite') : get('cacheWriteDetail');
    const stated = dialect === 'anthropic' ? get('input') : (get('prompt') ?? get('input'));
    const prompt = dialect === 'anthropic' && stated !== undefined ? stated + (read ?? 0) + (written ?? 0) : stated;
    const reasoning = get('reasoningDetail') ?? get('reasoning');
    const usage: TokenUsage = {};
    put(usage, 'promptTokens', prompt);
    put(usage, 'completionTokens', this.#completion(dialect, prompt, reasoning));
    put(usage, 'cachedTokens', read);
    put(usage, 'cacheWriteTokens', written);
    put(usage, 'cacheWriteHourTokens', get('cacheWriteHour'));
    put(usage, 'reasoningTokens', reasoning);
    put(usage, 'promptAudioTokens', get('promptAudio'));
    put(usage, 'completionAudioTokens', get('completionAudio'));
    return Object.keys(usage).length === 0 ? undefined : usage;
  }

  /** xAI counts reasoning beside the completion; the total tells. */
  #completion(dialect: UsageDialect, prompt: number | undefined, reasoning: number | undefined): number | undefined {
    const output = this.#values.get('output');
    const completion = dialect === 'anthropic' ? output : (this.#values.get('completion') ?? output);
    const total = this.#values.get('total');
    if (completion === undefined || reasoning === undefined || total === undefined || reasoning === 0)
      return completion;
    return total === (prompt ?? 0) + completion + reasoning ? completion + reasoning : completion;
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function put(usage: TokenUsage, field: Exclude<keyof TokenUsage, 'estimated'>, value: number | undefined): void {
  if (value !== undefined) usage[field] = value;
}
