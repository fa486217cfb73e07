import { BugError } from '../api/errors.js';

/** The bytes of a request as they came, shared by its forks, until the memory they lie in gets another use. */
export class ReceivedBytes {
  #bytes: Buffer | undefined;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Throws BugError after {@link ReceivedBytes.forget}. */
  get bytes(): Buffer {
    if (this.#bytes === undefined) throw new BugError('The body of a request was read after the end of its scope');
    return this.#bytes;
  }

  /** From here on the bytes may be those of another request. */
  forget(): void {
    this.#bytes = undefined;
  }
}
