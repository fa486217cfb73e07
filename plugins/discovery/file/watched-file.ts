import { type FSWatcher, watch } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock, Timer } from '../../../core/api/index.js';

/** Time between the first event and the look that it causes: a writer is seldom done with its first byte. */
const SETTLE_MS = 50;

export interface WatchedFileOptions {
  readonly path: string;
  /** Period of a look at the file whatever the system reports, ms. */
  readonly intervalMs: number;
  readonly clock: Clock;
  /** The text is another than last time. */
  onText(text: string): void;
  /** The file cannot be read, for another reason than last time: `missing` or `unreadable`. */
  onUnreadable(reason: 'missing' | 'unreadable', message: string): void;
}

/**
 * Hands over the text of a file whenever it changes. Watches its folder, and the one that a symbolic link ends in, so that
 * a rename over the file and the swap of Kubernetes' `..data` link are seen; an event is only a reason to read. The file,
 * and its folder, may appear later.
 */
export class WatchedFile {
  readonly #options: WatchedFileOptions;
  readonly #watchers = new Map<string, FSWatcher>();
  /** Text, or why there is none. */
  #last: string | undefined = undefined;
  #interval: Timer | undefined = undefined;
  #settle: Timer | undefined = undefined;
  #looking = false;
  #lookAgain = false;
  #closed = false;

  constructor(options: WatchedFileOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#look();
  }

  /** Ends it; nothing is called any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#interval?.cancel();
    this.#settle?.cancel();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #onEvent(): void {
    if (this.#closed) return;
    this.#settle ??= this.#options.clock.setTimer(SETTLE_MS, () => {
      this.#settle = undefined;
      void this.#look();
    });
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    if (this.#looking) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = true;
    do {
      this.#lookAgain = false;
      // Watched before it is read: a change in between is an event.
      await this.#watchFolders();
      await this.#read();
    } while (this.#lookAgain && !this.#closed);
    this.#looking = false;
    if (this.#closed) return;
    this.#interval?.cancel();
    this.#interval = this.#options.clock.setTimer(this.#options.intervalMs, () => void this.#look());
  }

  async #read(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.#options.path, 'utf8');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      const reason = code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'unreadable';
      if (this.#isNews(`error ${code}`)) this.#options.onUnreadable(reason, `${this.#options.path}: ${code}`);
      return;
    }
    if (this.#isNews(`text ${text}`)) this.#options.onText(text);
  }

  #isNews(state: string): boolean {
    if (this.#closed || state === this.#last) return false;
    this.#last = state;
    return true;
  }

  async #watchFolders(): Promise<void> {
    const { path } = this.#options;
    const folders = new Set([dirname(path)]);
    const target = await realpath(path).catch(() => undefined);
    if (target !== undefined) folders.add(dirname(target));
    if (this.#closed) return;
    for (const folder of this.#watchers.keys()) if (!folders.has(folder)) this.#unwatch(folder);
    for (const folder of folders) if (!this.#watchers.has(folder)) this.#watch(folder);
  }

  #watch(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#onEvent());
      watcher.on('error', () => this.#unwatch(folder));
      this.#watchers.set(folder, watcher);
    } catch {
      // The folder is missing or cannot be watched: the interval still reads the file, and every look tries again.
    }
  }

  #unwatch(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }
}
