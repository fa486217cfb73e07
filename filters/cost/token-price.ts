import type { TokenUsage } from '../../core/api/index.js';
import type { Rates } from './config.js';

/** Millionths of a millionth of the currency's unit, per token: what a price per million is, times a million. */
type Picos = bigint;

const PICOS_PER_NANO = 1000n;

/** Prices of one length of prompts. */
interface Tier {
  /** Prompts of more tokens than this. */
  readonly aboveTokens: number;
  readonly input: Picos;
  readonly cached: Picos;
  readonly cacheWrite: Picos;
  readonly cacheWriteHour: Picos;
  readonly promptAudio: Picos;
  readonly output: Picos;
  readonly reasoning: Picos;
  readonly completionAudio: Picos;
}

/** What the tokens of one model cost. Whole numbers throughout; rounded once, to a billionth, half up. */
export class TokenPrice {
  /** Name in the table: bounded, for labels. */
  readonly name: string;
  /** Of the table. */
  readonly version: string;
  /** Longest prompts first. */
  readonly #tiers: readonly Tier[];

  constructor(name: string, version: string, rates: Rates) {
    this.name = name;
    this.version = version;
    const long = [...rates.above].sort((a, b) => b.input_tokens - a.input_tokens);
    this.#tiers = [...long.map((tier) => tierOf(tier.input_tokens, tier)), tierOf(-1, rates)];
  }

  /** Billionths of the currency's unit. Each token counts in one class; unknown counts cost nothing. */
  nanosOf(usage: TokenUsage): number {
    const { promptTokens = 0, completionTokens = 0 } = usage;
    const tier = this.#tiers.find(({ aboveTokens }) => promptTokens > aboveTokens) as Tier;
    const prompt = new Share(promptTokens);
    const cached = prompt.take(usage.cachedTokens);
    const written = new Share(prompt.take(usage.cacheWriteTokens));
    const writtenHour = written.take(usage.cacheWriteHourTokens);
    const promptAudio = prompt.take(usage.promptAudioTokens);
    const completion = new Share(completionTokens);
    const reasoning = completion.take(usage.reasoningTokens);
    const completionAudio = completion.take(usage.completionAudioTokens);
    const picos =
      times(prompt.left, tier.input) +
      times(cached, tier.cached) +
      times(written.left, tier.cacheWrite) +
      times(writtenHour, tier.cacheWriteHour) +
      times(promptAudio, tier.promptAudio) +
      times(completion.left, tier.output) +
      times(reasoning, tier.reasoning) +
      times(completionAudio, tier.completionAudio);
    return Number((picos + PICOS_PER_NANO / 2n) / PICOS_PER_NANO);
  }
}

/** Tokens that are given out to classes: no more than there are, whatever a worker says of their parts. */
class Share {
  left: number;

  constructor(tokens: number) {
    this.left = tokens;
  }

  take(tokens: number | undefined): number {
    const taken = Math.min(this.left, tokens ?? 0);
    this.left -= taken;
    return taken;
  }
}

function times(tokens: number, picos: Picos): bigint {
  return tokens === 0 ? 0n : BigInt(tokens) * picos;
}

function tierOf(aboveTokens: number, rates: Omit<Rates, 'above'>): Tier {
  const { input, output } = rates;
  const cacheWrite = rates.cache_write ?? input;
  return {
    aboveTokens,
    input: toPicos(input),
    cached: toPicos(rates.cached_input ?? input),
    cacheWrite: toPicos(cacheWrite),
    cacheWriteHour: toPicos(rates.cache_write_1h ?? cacheWrite),
    promptAudio: toPicos(rates.audio_input ?? input),
    output: toPicos(output),
    reasoning: toPicos(rates.reasoning ?? output),
    completionAudio: toPicos(rates.audio_output ?? output),
  };
}

/** The schema lets six decimals through, so the product is within a hair of a whole number. */
function toPicos(perMillion: number): Picos {
  return BigInt(Math.round(perMillion * 1_000_000));
}
