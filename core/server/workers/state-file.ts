import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError } from '../../api/errors.js';
import type { Logger } from '../../api/log.js';
import type { OverlayState } from './worker-overlay.js';

/** Name below `runtime.state_dir`. */
const FILE_NAME = 'workers.json';

/**
 * Workers of the admin API on disk. Holds keys: only the owner may read it. A state is written beside the old one and put
 * in its place, so that a crash leaves one or the other whole.
 */
export class StateFile {
  readonly path: string;
  readonly #log: Logger;
  #pending: OverlayState | undefined = undefined;
  #writing: Promise<void> | undefined = undefined;

  constructor(directory: string, log: Logger) {
    this.path = join(directory, FILE_NAME);
    this.#log = log;
  }

  /** Undefined when there is none yet. Rejects with ConfigError for one that cannot be read: it is not to be lost. */
  async read(): Promise<OverlayState | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new ConfigError(`cannot read the state file ${this.path}: ${(error as Error).message}`, [
        'runtime',
        'state_dir',
      ]);
    }
    try {
      const state = JSON.parse(text) as OverlayState;
      if (state.version === 1 && Array.isArray(state.workers) && typeof state.amendments === 'object') return state;
    } catch {
      // Told below, without the text: it holds keys.
    }
    const message = `the state file ${this.path} is damaged; repair it, or move it away to start without its workers`;
    throw new ConfigError(message, ['runtime', 'state_dir']);
  }

  /** Writes soon; of several states in short succession the last one counts. A failure is logged. */
  save(state: OverlayState): void {
    this.#pending = state;
    this.#writing ??= this.#write();
  }

  /** Resolves when everything is on disk. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    // A burst of calls in one turn of the loop is one write.
    await Promise.resolve();
    while (this.#pending !== undefined) {
      const text = JSON.stringify(this.#pending, undefined, 2);
      this.#pending = undefined;
      try {
        await replaceFile(this.path, `${text}\n`);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        this.#log.error({ path: this.path, code }, 'workers of the admin API could not be saved');
      }
    }
    this.#writing = undefined;
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
