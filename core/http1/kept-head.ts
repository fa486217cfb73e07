import { type FieldName, FieldRole } from './field-name.js';

/** Longer lines, and lines further down, are read anew each time: what an idle connection keeps is bounded. */
const MAX_LINE_BYTES = 256;
const MAX_LINES = 16;

/** What a start line says, as a parser of heads shows it. */
export interface StartLineFacts {
  readonly method: string;
  readonly target: string;
  readonly path: string;
  readonly authority: string;
  readonly status: number;
  readonly reason: string;
  readonly minorVersion: number;
}

/** A start line that was read, whole with its line end. */
export interface KeptStartLine extends StartLineFacts {
  readonly text: string;
}

/** A field line that was read, whole with its line end. */
export interface KeptFieldLine {
  readonly text: string;
  readonly field: FieldName;
  readonly value: string;
  /** Another line has stood in its place since. */
  missed: boolean;
}

/**
 * Lines of earlier heads of one connection, by their place. A client, or a worker, says nearly the same in each of its
 * heads: one comparison finds out, instead of looking for the ends of name and value, looking up the one, checking and
 * cutting out the other. Only lines that were accepted are kept, so a repeated one needs no further check of its own.
 */
export class KeptHead {
  startLine: KeptStartLine | undefined = undefined;
  readonly fieldLines: (KeptFieldLine | undefined)[] = [];

  keepStartLine(text: string, facts: StartLineFacts): void {
    if (text.length > MAX_LINE_BYTES) return;
    const { method, status, minorVersion } = facts;
    const target = copy(facts.target);
    const path = facts.path === facts.target ? target : copy(facts.path);
    const [authority, reason] = [copy(facts.authority), copy(facts.reason)];
    this.startLine = { text: copy(text), method, target, path, authority, status, reason, minorVersion };
  }

  /** `index`: how many fields stand before it. A line is replaced when it has not repeated twice. */
  keepField(index: number, text: string, field: FieldName, value: string): void {
    // A length is another one each time.
    if (index >= MAX_LINES || text.length > MAX_LINE_BYTES || field.role === FieldRole.ContentLength) return;
    const kept = this.fieldLines[index];
    if (kept !== undefined && !kept.missed) {
      kept.missed = true;
      return;
    }
    while (this.fieldLines.length < index) this.fieldLines.push(undefined);
    this.fieldLines[index] = { text: copy(text), field, value: copy(value), missed: false };
  }
}

/** A substring would keep the whole head that it was cut from alive. */
function copy(text: string): string {
  return text === '' ? '' : Buffer.from(text, 'latin1').latin1Slice();
}
