import type { Attempt } from '../api/stream-info.js';
import { escapeJsonText, formatTextValue } from './safe-text.js';
import { textLineStart } from './text-format.js';
import { formatTimestamp } from './timestamp.js';

/** Longest name in a line, characters; the rest is cut. */
export const MAX_NAME_LENGTH = 128;
/** Attempts that are listed; a request has a handful at most. */
const MAX_ATTEMPTS = 16;

/** A field name as it stands in a line of either format, so that writing one is a single concatenation. */
export interface Field {
  readonly jsonText: string;
  readonly json: string;
  readonly text: string;
}

/** Makes a field. `name`: lower-case ASCII. */
export function field(name: string): Field {
  return { jsonText: `,"${name}":"`, json: `,"${name}":`, text: ` ${name}=` };
}

/** One line under construction. Two formats, one list of fields. */
export interface LineWriter {
  begin(unixMs: number, level: string): void;
  /** Text that may hold anything. */
  clientText(name: Field, value: string, maxLength: number): void;
  /** Text of ours, known to need no escape. */
  ownText(name: Field, value: string): void;
  number(name: Field, value: number): void;
  /** A number that is written already. */
  decimal(name: Field, text: string): void;
  milliseconds(name: Field, value: number): void;
  flag(name: Field, value: boolean): void;
  /** With the cluster of those that were not made in the cluster of the last one. */
  attempts(attempts: readonly Attempt[]): void;
  /** A piece that {@link LineWriter.take} returned. */
  append(piece: string): void;
  /** What was written since the line or the last piece was begun, as a flat string, to be appended again later. */
  take(): string;
  end(): string;
}

/** `{"level":…,"time":…,"msg":"request",…}` */
export class JsonLineWriter implements LineWriter {
  #line = '';

  begin(unixMs: number, level: string): void {
    this.#line = `{"level":"${level}","time":"${formatTimestamp(unixMs)}","msg":"request"`;
  }

  clientText(name: Field, value: string, maxLength: number): void {
    this.#line += `${name.jsonText}${escapeJsonText(value, maxLength)}"`;
  }

  ownText(name: Field, value: string): void {
    this.#line += `${name.jsonText}${value}"`;
  }

  number(name: Field, value: number): void {
    this.#line += name.json + value;
  }

  decimal(name: Field, text: string): void {
    this.#line += name.json + text;
  }

  milliseconds(name: Field, value: number): void {
    this.#line += name.json + formatMs(value);
  }

  flag(name: Field, value: boolean): void {
    this.#line += name.json + value;
  }

  attempts(attempts: readonly Attempt[]): void {
    let list = '';
    const last = attempts.at(-1)?.worker.cluster;
    const count = Math.min(attempts.length, MAX_ATTEMPTS);
    for (let i = 0; i < count; i++) {
      const attempt = attempts[i] as Attempt;
      const error = attempt.error === undefined ? '' : `,"error":"${escapeJsonText(attempt.error, MAX_NAME_LENGTH)}"`;
      const ms = attempt.endedMs === 0 ? '' : `,"ms":${formatMs(attempt.endedMs - attempt.startedMs)}`;
      const cluster = attempt.worker.cluster === last ? '' : `,"cluster":"${attempt.worker.cluster}"`;
      list += `${i === 0 ? '' : ','}{"worker":"${attempt.worker.id}"${cluster},"status":${attempt.status}${error}${ms}}`;
    }
    this.#line += `,"attempts":[${list}]`;
  }

  append(piece: string): void {
    this.#line += piece;
  }

  take(): string {
    const piece = flatten(this.#line);
    this.#line = '';
    return piece;
  }

  end(): string {
    return `${this.#line}}\n`;
  }
}

/** `time LEVEL request key=value …` */
export class TextLineWriter implements LineWriter {
  #line = '';

  begin(unixMs: number, level: string): void {
    this.#line = textLineStart(formatTimestamp(unixMs), level, 'request', false);
  }

  clientText(name: Field, value: string, maxLength: number): void {
    this.#line += name.text + formatTextValue(value, maxLength);
  }

  ownText(name: Field, value: string): void {
    this.#line += name.text + value;
  }

  number(name: Field, value: number): void {
    this.#line += name.text + value;
  }

  decimal(name: Field, text: string): void {
    this.#line += name.text + text;
  }

  milliseconds(name: Field, value: number): void {
    this.#line += name.text + formatMs(value);
  }

  flag(name: Field, value: boolean): void {
    this.#line += name.text + value;
  }

  attempts(attempts: readonly Attempt[]): void {
    const last = attempts.at(-1)?.worker.cluster;
    const list = attempts
      .slice(0, MAX_ATTEMPTS)
      .map(({ worker, status, error }) => {
        const cluster = worker.cluster === last ? '' : `@${worker.cluster}`;
        return `${worker.id}${cluster}:${error ?? status}`;
      })
      .join(',');
    this.#line += ` attempts=${formatTextValue(list, MAX_ATTEMPTS * MAX_NAME_LENGTH)}`;
  }

  append(piece: string): void {
    this.#line += piece;
  }

  take(): string {
    const piece = flatten(this.#line);
    this.#line = '';
    return piece;
  }

  end(): string {
    return `${this.#line}\n`;
  }
}

/** A copy in one piece: engines keep concatenations as trees, and walk them each time the text is written out. */
function flatten(ascii: string): string {
  return Buffer.from(ascii, 'latin1').latin1Slice();
}

/** `.01` to `.99`, without a last zero; none for whole milliseconds. */
const FRACTIONS = Array.from({ length: 100 }, (_, hundredths) => String(hundredths / 100).slice(1));

/**
 * Hundredths of a millisecond are enough for anybody who reads logs. Two small integers, because the shortest decimal
 * of a fraction is the dearest thing in a line.
 */
export function formatMs(ms: number): string {
  const hundredths = Math.max(0, Math.round(ms * 100));
  const rest = hundredths % 100;
  return `${(hundredths - rest) / 100}${FRACTIONS[rest]}`;
}
