import type { Clock } from '../../../core/api/index.js';

/** Between an id and the signature that travels in it. */
const SEPARATOR = '__thought__';
/** What Google's documentation names for calls whose signature is lost; the model then thinks without it. */
export const PLACEHOLDER_SIGNATURE = 'skip_thought_signature_validator';

const MAX_ENTRIES = 10_000;
/** Base64 characters of all signatures together. */
const MAX_CHARS = 32 * 1024 * 1024;
const LIFETIME_MS = 60 * 60 * 1000;

interface Entry {
  readonly signature: string;
  readonly expiresMs: number;
}

/** An id as a client holds it, taken apart. */
export interface SignedId {
  readonly base: string;
  readonly signature: string | undefined;
}

export function joinSignedId(base: string, signature: string): string {
  return base + SEPARATOR + signature;
}

export function splitSignedId(id: string): SignedId {
  const at = id.indexOf(SEPARATOR);
  if (at < 0) return { base: id, signature: undefined };
  return { base: id.slice(0, at), signature: id.slice(at + SEPARATOR.length) };
}

/**
 * Thought signatures of the last hour by call id, for clients that send back nothing but plain ids. Bounded by number and
 * size; the oldest go first. Only for convenience: without an entry the placeholder serves.
 */
export class ThoughtSignatures {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  #chars = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  remember(base: string, signature: string): void {
    this.#forget(base);
    this.#entries.set(base, { signature, expiresMs: this.#clock.monotonicMs() + LIFETIME_MS });
    this.#chars += signature.length;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MAX_ENTRIES && this.#chars <= MAX_CHARS) break;
      this.#forget(oldest);
    }
  }

  recall(base: string): string | undefined {
    const entry = this.#entries.get(base);
    if (entry === undefined) return undefined;
    if (entry.expiresMs <= this.#clock.monotonicMs()) {
      this.#forget(base);
      return undefined;
    }
    // The youngest again: it will be asked for with every turn of the conversation.
    this.#entries.delete(base);
    this.#entries.set(base, entry);
    return entry.signature;
  }

  #forget(base: string): void {
    const entry = this.#entries.get(base);
    if (entry === undefined) return;
    this.#entries.delete(base);
    this.#chars -= entry.signature.length;
  }
}
