import type { ClientApi } from '../api/client-api.js';
import type { Delta, TokenUsage } from '../api/inference.js';
import { NeedleSearch } from './needle-search.js';
import { UsageScan } from './usage-scan.js';

/** Of text, as a rule of thumb. */
const CHARS_PER_TOKEN = 4;

/** What each piece of a streamed answer has once, by client api. The first one of a chat only names the role. */
const PIECE_MARKS: Readonly<Record<string, { readonly needle: string; readonly without: number }>> = {
  chat: { needle: '"delta"', without: 1 },
  completions: { needle: '"text"', without: 0 },
  messages: { needle: '"content_block_delta"', without: 0 },
  responses: { needle: '.delta"', without: 0 },
};

/** To fill gaps with, where an answer is accounted for that does not state its counts. */
export interface UsageEstimate {
  /** Tokens of the prompt; undefined: nobody could guess. */
  readonly promptTokens: number | undefined;
}

/**
 * The token counts of one answer of a worker, from its bytes in the client's dialect or from its deltas. The only place
 * where they are put together; what is not stated stays unknown, unless an estimate is wanted.
 */
export class AnswerUsage {
  readonly #api: ClientApi;
  readonly #estimate: UsageEstimate | undefined;
  /** Of answers made of bytes, from the first byte on. */
  #scan: UsageScan | undefined = undefined;
  #pieceSearch: NeedleSearch | undefined = undefined;
  #pieces = 0;
  /** Of answers made of deltas, UTF-16 units. */
  #chars = 0;
  #stated: TokenUsage | undefined = undefined;

  /** `estimate`: of a streamed answer that is accounted for; undefined: only what the worker states. */
  constructor(api: ClientApi, estimate: UsageEstimate | undefined) {
    this.#api = api;
    this.#estimate = estimate;
  }

  /** The next bytes of an answer in the client's dialect. */
  push(bytes: Buffer): void {
    this.#scan ??= this.#begin();
    this.#scan.push(bytes);
    const search = this.#pieceSearch;
    if (search === undefined) return;
    for (let at = search.next(bytes, 0); at !== -1; at = search.next(bytes, at)) this.#pieces++;
  }

  /** The next delta of an answer that the gateway renders. Counts of the same name replace those before. */
  add(delta: Delta): void {
    switch (delta.kind) {
      case 'usage':
        this.#stated = { ...this.#stated, ...delta.usage };
        return;
      case 'content':
      case 'text':
      case 'reasoning':
      case 'refusal':
        this.#pieces++;
        this.#chars += delta.text.length;
        return;
      case 'tool_call':
        this.#pieces++;
        this.#chars += (delta.name?.length ?? 0) + (delta.arguments?.length ?? 0);
        return;
      case 'tokens':
        this.#pieces += delta.ids.length;
    }
  }

  /** What is known now. `ended`: the answer came to its end, so that counts that it states are its last. */
  usage(ended: boolean): TokenUsage | undefined {
    const isAnthropic = this.#api.errorDialect === 'anthropic';
    const stated = this.#scan?.counts.toUsage(isAnthropic ? 'anthropic' : 'openai') ?? this.#stated;
    const output = stated?.completionTokens;
    // Anthropic's first event has a count of the output too, which is none.
    const isFinal = ended && output !== undefined && !(isAnthropic && this.#scan?.objects === 1);
    if (this.#estimate === undefined || isFinal) return stated;
    const promptTokens = stated?.promptTokens ?? this.#estimate.promptTokens;
    const completionTokens = Math.max(output ?? 0, this.#countedOutput());
    if (promptTokens === stated?.promptTokens && completionTokens === output) return stated;
    return {
      ...stated,
      ...(promptTokens === undefined ? {} : { promptTokens }),
      completionTokens,
      estimated: true,
    };
  }

  #begin(): UsageScan {
    const mark = this.#estimate === undefined ? undefined : PIECE_MARKS[this.#api.type];
    if (mark !== undefined) this.#pieceSearch = new NeedleSearch(mark.needle);
    return new UsageScan(this.#api.type === 'generate' ? 'meta_info' : 'usage');
  }

  /** Engines send a piece per token; clouds send several tokens in one. */
  #countedOutput(): number {
    const without = this.#scan === undefined ? 0 : (PIECE_MARKS[this.#api.type]?.without ?? 0);
    return Math.max(0, this.#pieces - without, Math.ceil(this.#chars / CHARS_PER_TOKEN));
  }
}
