import type { TokenUsage } from '../../../core/api/index.js';
import type { WireUsage } from './messages-wire.js';

/** Counts of one answer; what an event does not state stays as it was, what it states replaces it. */
export class UsageCounts {
  readonly #counts: WireUsage = {};
  #known = false;

  /** `usage` as it stands in an answer or an event; anything but an object says nothing. */
  merge(usage: unknown): void {
    if (typeof usage !== 'object' || usage === null) return;
    this.#known = true;
    const stated = usage as WireUsage;
    const counts = this.#counts;
    counts.input_tokens = stated.input_tokens ?? counts.input_tokens;
    counts.output_tokens = stated.output_tokens ?? counts.output_tokens;
    counts.cache_creation_input_tokens = stated.cache_creation_input_tokens ?? counts.cache_creation_input_tokens;
    counts.cache_read_input_tokens = stated.cache_read_input_tokens ?? counts.cache_read_input_tokens;
    counts.output_tokens_details = stated.output_tokens_details ?? counts.output_tokens_details;
  }

  /** Anthropic counts cached tokens beside `input_tokens`, everyone else as a part of the prompt. Undefined: none stated. */
  usage(): TokenUsage | undefined {
    if (!this.#known) return undefined;
    const counts = this.#counts;
    const read = counts.cache_read_input_tokens ?? 0;
    const written = counts.cache_creation_input_tokens ?? 0;
    const thinking = counts.output_tokens_details?.thinking_tokens;
    return {
      promptTokens: (counts.input_tokens ?? 0) + read + written,
      completionTokens: counts.output_tokens ?? 0,
      ...(counts.cache_read_input_tokens == null ? {} : { cachedTokens: read }),
      ...(counts.cache_creation_input_tokens == null ? {} : { cacheWriteTokens: written }),
      ...(thinking == null ? {} : { reasoningTokens: thinking }),
    };
  }
}
