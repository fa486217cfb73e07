import { type AnswerKind, CHAT_ANSWER, STREAM_ANSWER, STREAM_EVENT_TEXTS, writeSequence } from './answers.js';

/** `exact`: the worker's bytes; `meaning`: for gateways that rewrite the JSON, equal id, text and number of events. */
export type CheckMode = 'exact' | 'meaning';

/** Compares the answers of one connection, one after the other, with what the worker must have said. */
export interface AnswerCheck {
  /** Events seen so far in this answer, `[DONE]` included. */
  readonly events: number;
  /** A new answer to request number `sequence` begins. */
  begin(sequence: number): void;
  /** Payload bytes, transfer coding removed; only valid during the call. */
  accept(bytes: Buffer, start: number, end: number): void;
  /** The answer is over: what was wrong with it, undefined when nothing was. */
  finish(): string | undefined;
}

export function createAnswerCheck(mode: CheckMode, kind: AnswerKind): AnswerCheck {
  if (mode === 'exact') return new ExactAnswerCheck(kind);
  return new MeaningAnswerCheck(kind);
}

class ExactAnswerCheck implements AnswerCheck {
  readonly #expected: Buffer;
  readonly #sequenceOffset: number;
  readonly #eventEnds: readonly number[];
  #received: number;
  #problem: string | undefined;
  events: number;

  constructor(kind: AnswerKind) {
    const template = kind === 'chat' ? CHAT_ANSWER : STREAM_ANSWER;
    this.#expected = Buffer.from(template.bytes);
    this.#sequenceOffset = template.sequenceOffset;
    this.#eventEnds = template.eventEnds;
    this.#received = 0;
    this.#problem = undefined;
    this.events = 0;
  }

  begin(sequence: number): void {
    writeSequence(this.#expected, this.#sequenceOffset, sequence);
    this.#received = 0;
    this.#problem = undefined;
    this.events = 0;
  }

  accept(bytes: Buffer, start: number, end: number): void {
    const from = this.#received;
    const to = from + end - start;
    this.#received = to;
    if (to > this.#expected.length) {
      this.#problem ??= 'answer too long';
    } else if (bytes.compare(this.#expected, from, to, start, end) !== 0) {
      this.#problem ??= `answer differs near byte ${from}: ${bytes.toString('latin1', start, Math.min(end, start + 80))}`;
    }
    while (this.events < this.#eventEnds.length && (this.#eventEnds[this.events] ?? 0) <= to) this.events++;
  }

  finish(): string | undefined {
    if (this.#problem !== undefined) return this.#problem;
    if (this.#received === this.#expected.length) return undefined;
    return `answer has ${this.#received} bytes instead of ${this.#expected.length}`;
  }
}

class MeaningAnswerCheck implements AnswerCheck {
  readonly #kind: AnswerKind;
  #sequence: number;
  #text: string;
  #counted: number;
  events: number;

  constructor(kind: AnswerKind) {
    this.#kind = kind;
    this.#sequence = 0;
    this.#text = '';
    this.#counted = 0;
    this.events = 0;
  }

  begin(sequence: number): void {
    this.#sequence = sequence;
    this.#text = '';
    this.#counted = 0;
    this.events = 0;
  }

  accept(bytes: Buffer, start: number, end: number): void {
    this.#text += bytes.toString('utf8', start, end);
    if (this.#kind === 'chat') return;
    for (;;) {
      const close = this.#text.indexOf('\n\n', this.#counted);
      if (close === -1) return;
      if (this.#text.startsWith('data:', this.#counted)) this.events++;
      this.#counted = close + 2;
    }
  }

  finish(): string | undefined {
    if (!this.#text.includes(String(this.#sequence).padStart(8, '0'))) return 'answer to another request';
    if (this.#kind === 'chat') {
      return this.#text.includes('bench-answer') && this.#text.trimEnd().endsWith('}') ? undefined : 'answer damaged';
    }
    if (this.events !== STREAM_EVENT_TEXTS.length)
      return `${this.events} events instead of ${STREAM_EVENT_TEXTS.length}`;
    return this.#text.trimEnd().endsWith('data: [DONE]') ? undefined : 'stream without [DONE]';
  }
}
