import pino from 'pino';
import type { Logger } from '../api/log.js';
import type { Counter } from '../api/stats.js';
import { LogDestination, type LogSink } from './log-destination.js';
import { redactFields, redactText } from './redact.js';
import { formatTextLine } from './text-format.js';
import { formatTimestamp } from './timestamp.js';

/** From the most to the least talkative. `silent` writes nothing at all, access lines included. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = 'json' | 'text';

export interface LogOptions {
  /** Default `info`. */
  readonly level?: LogLevel | undefined;
  /** Default: `text` on a terminal, `json` otherwise. */
  readonly format?: LogFormat | undefined;
  /** File descriptor or path. Default 1, standard output. Ignored when `sink` is given. */
  readonly destination?: number | string | undefined;
  /** Takes the lines instead of a descriptor; for tests. */
  readonly sink?: LogSink | undefined;
  /** Counts lines that were dropped because nobody reads the output. */
  readonly dropped?: Counter | undefined;
}

/** The process's log: a logger to hand out, and the sink on which the access log writes its own lines. */
export interface GatewayLog {
  readonly logger: Logger;
  readonly sink: LogSink;
  readonly format: LogFormat;
  /** Also for child loggers that exist already. */
  setLevel(level: LogLevel): void;
  /** Writes what waits, synchronously. Happens by itself when the process exits. */
  flush(): void;
  /** Writes what waits and closes; the log must not be used afterwards. */
  close(): Promise<void>;
}

/** Creates the log. A path that cannot be opened throws. */
export function createLog(options: LogOptions = {}): GatewayLog {
  const destination =
    options.sink === undefined ? new LogDestination(options.destination ?? 1, options.dropped) : undefined;
  const sink = options.sink ?? (destination as LogSink);
  const terminal = destination?.isTerminal === true;
  const format = options.format ?? (terminal ? 'text' : 'json');
  const root = pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: () => `,"time":"${formatTimestamp(Date.now())}"`,
      formatters: { level: (label) => ({ level: label }) },
      // Errors are plain objects by now; pino's own serializer would take their stack away.
      serializers: { err: (value: unknown) => value },
    },
    format === 'json' ? sink : { write: (line: string) => sink.write(formatTextLine(line, terminal)) },
  );
  return {
    logger: new RedactingLogger(root, {}),
    sink,
    format,
    setLevel(level) {
      root.level = level;
    },
    flush: () => destination?.flush(),
    close: async () => destination?.close(),
  };
}

/** Keeps bindings itself instead of making pino children, whose level would no longer follow that of the root. */
class RedactingLogger implements Logger {
  readonly #root: pino.Logger;
  readonly #bindings: Record<string, unknown>;

  constructor(root: pino.Logger, bindings: Record<string, unknown>) {
    this.#root = root;
    this.#bindings = bindings;
  }

  trace(fields: object, message?: string): void {
    this.#write('trace', fields, message);
  }

  debug(fields: object, message?: string): void {
    this.#write('debug', fields, message);
  }

  info(fields: object, message?: string): void {
    this.#write('info', fields, message);
  }

  warn(fields: object, message?: string): void {
    this.#write('warn', fields, message);
  }

  error(fields: object, message?: string): void {
    this.#write('error', fields, message);
  }

  isLevelEnabled(level: string): boolean {
    return this.#root.isLevelEnabled(level);
  }

  child(fields: object): Logger {
    return new RedactingLogger(this.#root, { ...this.#bindings, ...redactFields(fields) });
  }

  #write(level: Exclude<LogLevel, 'silent'>, fields: object, message: string | undefined): void {
    if (!this.#root.isLevelEnabled(level)) return;
    this.#root[level]({ ...this.#bindings, ...redactFields(fields) }, message && redactText(message));
  }
}
