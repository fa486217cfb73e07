import type { ClientApi, TokenUsage } from '../../core/api/index.js';
import { TerminatorWatch } from '../../core/inference/stream-terminator.js';
import { UsageAccumulator } from '../../core/inference/usage-accumulator.js';
import type { UsageCounts } from '../../core/inference/usage-counts.js';
import { findUsage, type UsageField } from '../../core/inference/usage-search.js';

/** Token counts stand near the end of an answer: how much of it is searched, bytes. */
const TAIL_BYTES = 1024;
/** Anthropic streams give the prompt's counts in their first event: how much of the beginning is searched, bytes. */
const HEAD_BYTES = 2048;

/** Follows the bytes of one successful answer: whether it ends as it should, and what its usage says. */
export class ByteResponse {
  readonly #api: ClientApi;
  readonly #streamed: boolean;
  #watch: TerminatorWatch | undefined;
  #headSearched: boolean;
  readonly #usage = new UsageAccumulator();

  /** `streamed`: an event stream, which has a terminator; otherwise one JSON body, which ends where it ends. */
  constructor(api: ClientApi, streamed: boolean) {
    this.#api = api;
    this.#streamed = streamed;
    this.#watch = streamed ? new TerminatorWatch(api.terminator, TAIL_BYTES) : undefined;
    this.#headSearched = !streamed || api.errorDialect !== 'anthropic';
  }

  push(bytes: Buffer, endStream: boolean): void {
    if (bytes.length === 0) return;
    if (!this.#headSearched) {
      this.#headSearched = true;
      this.#add(findUsage(bytes.subarray(0, HEAD_BYTES), this.#field, true));
    }
    if (this.#watch === undefined) {
      if (endStream) {
        this.#add(findUsage(bytes.length > TAIL_BYTES ? bytes.subarray(-TAIL_BYTES) : bytes, this.#field));
        return;
      }
      this.#watch = new TerminatorWatch('eof', TAIL_BYTES);
    }
    this.#watch.push(bytes);
  }

  /** Once, at the end of the body: whether it was complete. */
  finish(): boolean {
    if (this.#watch === undefined) return true;
    this.#add(findUsage(this.#watch.tail(), this.#field));
    return !this.#streamed || this.#watch.seen;
  }

  get usage(): TokenUsage | undefined {
    return this.#usage.usage;
  }

  get #field(): UsageField {
    return this.#api.type === 'generate' ? 'meta_info' : 'usage';
  }

  #add(counts: UsageCounts | undefined): void {
    const usage = this.#api.errorDialect === 'anthropic' ? counts?.toAnthropicUsage() : counts?.toOpenAiUsage();
    if (usage !== undefined) this.#usage.add(usage);
  }
}
