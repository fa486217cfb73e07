import { NeedleSearch } from './needle-search.js';
import { UsageCounts } from './usage-counts.js';

/** Name under which an answer carries its token counts: OpenAI and Anthropic `usage`, SGLang `meta_info`. */
export type UsageField = 'usage' | 'meta_info';

/** Longer numbers are not counts of tokens. */
const MAX_DIGITS = 15;
/** Longer names are none that we know. */
const MAX_NAME_BYTES = 40;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

const State = { Search: 0, BeforeObject: 1, Object: 2 } as const;
/** How the value behind a colon looks so far. */
const Value = { None: 0, Number: 1, Other: 2 } as const;

/**
 * Reads the counts of every usage object in the bytes of an answer as they pass, however they are cut, and nothing else:
 * a native search for the name, and a byte by byte look at the objects themselves. Text that a model wrote cannot be
 * taken for one, since its quotes are escaped.
 */
export class UsageScan {
  readonly counts = new UsageCounts();
  /** How many usage objects there were. */
  objects = 0;
  readonly #search: NeedleSearch;
  #state: number = State.Search;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** The last string, if it is short enough for a name. */
  readonly #name = Buffer.allocUnsafe(MAX_NAME_BYTES);
  #nameBytes = 0;
  /** Prefix of the counts in the object that is open at depth 2; undefined where they do not matter. */
  #group: string | undefined = undefined;
  #value: number = Value.None;
  #number = 0;
  #digits = 0;

  constructor(field: UsageField) {
    this.#search = new NeedleSearch(`"${field}"`);
  }

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === State.Search) {
        at = this.#search.next(bytes, at);
        if (at === -1) return;
        this.#state = State.BeforeObject;
      } else if (this.#state === State.BeforeObject) at = this.#findObject(bytes, at);
      else at = this.#readObject(bytes, at);
    }
  }

  /** From behind the name to behind the brace of its object, or to what is none. */
  #findObject(bytes: Buffer, from: number): number {
    let at = from;
    while (isBlank(bytes[at]) || bytes[at] === COLON) at++;
    if (at === bytes.length) return at;
    if (bytes[at] !== BRACE_OPEN) {
      this.#state = State.Search;
      return at;
    }
    this.#state = State.Object;
    this.#depth = 1;
    this.#nameBytes = 0;
    this.#value = Value.None;
    return at + 1;
  }

  #readObject(bytes: Buffer, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (this.#inString) this.#readString(byte);
      else if (byte === QUOTE) {
        this.#inString = true;
        this.#nameBytes = 0;
        if (this.#value !== Value.None) this.#value = Value.Other;
      } else if (byte === BRACE_CLOSE) {
        this.#endValue();
        this.#depth--;
        if (this.#depth === 0) {
          this.objects++;
          this.#state = State.Search;
          return at + 1;
        }
      } else if (byte === BRACE_OPEN) {
        this.#depth++;
        if (this.#depth === 2) this.#group = UsageCounts.groupOf(this.#takeName());
        this.#value = Value.None;
      } else if (byte === COLON) {
        this.#value = Value.Number;
        this.#number = 0;
        this.#digits = 0;
      } else if (byte === COMMA) this.#endValue();
      else if (this.#value === Value.Number) this.#readDigit(byte);
    }
    return bytes.length;
  }

  #readString(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) {
      this.#inString = false;
      return;
    }
    if (this.#nameBytes < MAX_NAME_BYTES) this.#name[this.#nameBytes] = byte;
    this.#nameBytes++;
  }

  #readDigit(byte: number): void {
    const digit = byte - 0x30;
    if (digit >= 0 && digit <= 9 && this.#digits >= 0) {
      this.#number = this.#number * 10 + digit;
      this.#digits++;
    } else if (!isBlank(byte)) this.#value = Value.Other;
    // Nothing but the end may follow the blank behind a number.
    else if (this.#digits > 0) this.#digits = -this.#digits;
  }

  #endValue(): void {
    const digits = Math.abs(this.#digits);
    const group = this.#depth === 1 ? '' : this.#depth === 2 ? this.#group : undefined;
    if (this.#value === Value.Number && digits > 0 && digits <= MAX_DIGITS && group !== undefined) {
      this.counts.set(group, this.#takeName(), this.#number);
    }
    this.#value = Value.None;
  }

  #takeName(): string {
    return this.#nameBytes > MAX_NAME_BYTES ? '' : this.#name.latin1Slice(0, this.#nameBytes);
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
