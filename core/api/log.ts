import { createToken, type InjectionToken } from './injection.js';
import type { StreamInfo } from './stream-info.js';

/** Structured logging; the shape of a pino logger's methods. Fields first, then a message for people. No secrets. */
export interface Logger {
  trace(fields: object, message?: string): void;
  debug(fields: object, message?: string): void;
  info(fields: object, message?: string): void;
  warn(fields: object, message?: string): void;
  error(fields: object, message?: string): void;
  /** True when a line of that level would be written: guard costly fields with it. */
  isLevelEnabled(level: string): boolean;
  child(fields: object): Logger;
}

export const Logger: InjectionToken<Logger> = createToken('Logger');

/** The access log: one line per finished stream, apart from the other logs so that a line costs a microsecond or two. */
export interface AccessLog {
  /** Writes the line of a stream that has ended. Never throws; text from clients is escaped and cut. */
  write(streamInfo: StreamInfo): void;
}

export const AccessLog: InjectionToken<AccessLog> = createToken('AccessLog');
