import { createToken, type InjectionToken } from './injection.js';

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
