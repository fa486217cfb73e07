import { formatTextValue } from './safe-text.js';

const MAX_VALUE_LENGTH = 4096;
const COLOURS: Readonly<Record<string, string>> = {
  trace: '\u001b[90m',
  debug: '\u001b[36m',
  info: '\u001b[32m',
  warn: '\u001b[33m',
  error: '\u001b[31m',
};
const RESET = '\u001b[0m';

/** Turns one JSON log line into `time LEVEL message key=value …`, still one line. For people, not for volume. */
export function formatTextLine(jsonLine: string, colour: boolean): string {
  const { time, level, msg, ...fields } = JSON.parse(jsonLine) as Record<string, unknown>;
  let line = textLineStart(String(time), String(level), String(msg ?? ''), colour);
  for (const [name, value] of Object.entries(fields)) {
    line += ` ${name}=${formatTextValue(typeof value === 'string' ? value : JSON.stringify(value), MAX_VALUE_LENGTH)}`;
  }
  return `${line}\n`;
}

/** The part of a text line before its fields. */
export function textLineStart(time: string, level: string, message: string, colour: boolean): string {
  const padded = level.toUpperCase().padEnd(5);
  const safeMessage = message.replace(/[\p{Cc}\u2028\u2029]/gu, ' ');
  return `${time} ${colour ? `${COLOURS[level] ?? ''}${padded}${RESET}` : padded} ${safeMessage}`;
}
