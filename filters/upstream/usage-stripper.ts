import type { JsonScanner } from '../../core/inference/json-scan.js';
import { type SseEventFrame, SseSplitter } from '../../core/inference/sse-codec.js';

const USAGE = '"usage"';
const FIELD: ReadonlySet<string> = new Set(['usage']);
/** A longer event could not be sent on by the rest of the gateway either. */
const MAX_EVENT_BYTES = 64 * 1024 * 1024;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

/**
 * Takes out of a stream of OpenAI chunks what only `include_usage` puts in: the chunk without choices, and the field `usage`
 * of all others. Every other byte stays; what passes does not depend on how the stream is cut.
 */
export class UsageStripper {
  readonly #splitter = new SseSplitter(MAX_EVENT_BYTES);
  readonly #scanner: JsonScanner;
  #passed: Buffer[] = [];

  /** `scanner` may be shared. */
  constructor(scanner: JsonScanner) {
    this.#scanner = scanner;
  }

  /** What to send on now; undefined: nothing yet. Throws `upstream_protocol_error` for an event without end. */
  push(bytes: Buffer): Buffer | undefined {
    this.#splitter.push(bytes, this.#onEvent);
    return this.#take();
  }

  /** At the end of the stream: what is left. */
  finish(): Buffer | undefined {
    this.#splitter.finish(this.#onEvent);
    const rest = this.#splitter.rest();
    if (rest.length > 0) this.#passed.push(Buffer.from(rest));
    return this.#take();
  }

  readonly #onEvent = ({ raw }: SseEventFrame): void => {
    if (!raw.includes(USAGE)) this.#passed.push(raw);
    else this.#strip(raw);
  };

  #strip(raw: Buffer): void {
    const start = raw.indexOf(BRACE_OPEN);
    const end = raw.lastIndexOf(BRACE_CLOSE) + 1;
    const json = raw.subarray(start, Math.max(start, end));
    const spans = start === -1 ? undefined : this.#scanner.scan(json);
    const removals = spans?.find('usage') === undefined ? undefined : spans.removals(FIELD);
    if (spans === undefined || removals === undefined) {
      this.#passed.push(raw);
      return;
    }
    const choices = spans.find('choices');
    if (
      choices !== undefined &&
      /^\[\s*\]$/.test(json.latin1Slice(choices.start, Math.min(choices.end, choices.start + 16)))
    ) {
      return;
    }
    let at = 0;
    this.#passed.push(raw.subarray(0, start));
    for (const cut of removals.cuts) {
      this.#passed.push(json.subarray(at, cut.start));
      at = cut.end;
    }
    this.#passed.push(json.subarray(at), raw.subarray(end));
  }

  #take(): Buffer | undefined {
    const passed = this.#passed;
    if (passed.length === 0) return undefined;
    this.#passed = [];
    return passed.length === 1 ? passed[0] : Buffer.concat(passed);
  }
}
