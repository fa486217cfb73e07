const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Says when pieces of text make up a whole JSON object or array. Checks nesting only. */
export class JsonProgress {
  #depth = 0;
  #inString = false;
  #isEscaped = false;
  #isComplete = false;

  /** Stays true. Never true for text that begins no object or array. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  push(text: string): void {
    for (let i = 0; i < text.length && !this.#isComplete; i++) this.#step(text.charCodeAt(i));
  }

  #step(code: number): void {
    if (this.#inString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (code === BACKSLASH) this.#isEscaped = true;
      else if (code === QUOTE) this.#inString = false;
    } else if (code === QUOTE) this.#inString = true;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) this.#depth++;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) this.#isComplete = --this.#depth <= 0;
  }
}
