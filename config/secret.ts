import { createHmac, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';

/** What is shown instead of a secret. */
export const REDACTED = '***';

/** New in each process, so that fingerprints say nothing outside it. */
const FINGERPRINT_KEY = randomBytes(32);

/**
 * A value that must not be seen: every implicit way to text (templates, JSON, logs, the debugger's printer) gives
 * `***`. Two with the same value are deeply equal, two with different ones are not, so a reload sees a rotated key.
 */
export class Secret {
  /** Equal for equal values within one process. Public, so that deep comparison sees it; not for display. */
  readonly fingerprint: string;
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
    this.fingerprint = createHmac('sha256', FINGERPRINT_KEY).update(value).digest('hex');
  }

  /** The value itself. Call it where it goes on the wire, nowhere else. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}

const SECRET_KEY =
  /(?:^|_)(?:api_?keys?|keys?|passwords?|passwd|secrets?|(?<!first_)token|credentials?|authorization|cookie|private_key)$/i;
const CAMEL_HUMP = /([a-z0-9])([A-Z])/g;
const URL_CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi;

/** Whether a YAML key of this name holds a secret by convention: `api_key`, `key`, `token`, `db_password`, …; `first_token` is a time. */
export function isSecretKey(key: string): boolean {
  return SECRET_KEY.test(key.replace(CAMEL_HUMP, '$1_$2').replaceAll('-', '_'));
}

/** The text with user names and passwords in URLs replaced by `***`. */
export function redactUrls(text: string): string {
  return text.replace(URL_CREDENTIALS, `$1${REDACTED}@`);
}
