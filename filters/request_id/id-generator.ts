import { randomFillSync } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** Characters of an id without its prefix: 142 bits. */
export const ID_LENGTH = 24;
/** Ids made from one call to the system's generator, which costs as much as fifty ids. */
const IDS_PER_BATCH = 128;
/** Largest multiple of the alphabet below 256: bytes above it would make some characters likelier. */
const LIMIT = 256 - (256 % ALPHABET.length);

/** Makes random ids of {@link ID_LENGTH} characters `[A-Za-z0-9]`, a batch at a time. */
export class IdGenerator {
  readonly #random = Buffer.alloc(ID_LENGTH * IDS_PER_BATCH);
  readonly #characters = Buffer.alloc(ID_LENGTH * IDS_PER_BATCH);
  #batch = '';
  #next = 0;

  next(): string {
    if (this.#next >= this.#batch.length) this.#refill();
    const start = this.#next;
    this.#next = start + ID_LENGTH;
    return this.#batch.slice(start, start + ID_LENGTH);
  }

  #refill(): void {
    let filled = 0;
    while (filled < this.#characters.length) {
      randomFillSync(this.#random);
      for (let i = 0; i < this.#random.length && filled < this.#characters.length; i++) {
        const byte = this.#random[i] as number;
        if (byte < LIMIT) this.#characters[filled++] = ALPHABET.charCodeAt(byte % ALPHABET.length);
      }
    }
    this.#batch = this.#characters.latin1Slice();
    this.#next = 0;
  }
}
