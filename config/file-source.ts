import { type FSWatcher, watch } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface FileSourceOptions {
  /** Absolute paths; they need not exist. */
  readonly files: readonly string[];
  /** Quiet time after the last event before `onChange`, ms. */
  readonly debounceMs: number;
  /** Period of a look at the files for mounts that report nothing, ms; 0 switches it off. */
  readonly pollMs: number;
  /** Some file is not what it was. Never called concurrently with itself, never after `close`. */
  readonly onChange: () => void;
  /** For tests: do not ask the system for events. Default true. */
  readonly events?: boolean;
}

/** A look happens at the latest after this many times the quiet time. */
const MAX_POSTPONEMENTS = 4;

/**
 * Notices that files change. Watches their folders, and those of the files that symbolic links end at, so that a rename
 * over the file and the swap of Kubernetes' `..data` link are seen; an event is only a reason to look, and `onChange`
 * follows when identity, size or time of some file differ. Keeps no process alive.
 */
export class FileSource {
  readonly #options: FileSourceOptions;
  #files: readonly string[];
  readonly #watchers = new Map<string, FSWatcher>();
  #fingerprints = new Map<string, string>();
  #debounce: NodeJS.Timeout | undefined = undefined;
  /** Monotonic time of the first event that no look has answered. */
  #pendingSinceMs = 0;
  readonly #poll: NodeJS.Timeout | undefined;
  #looking = false;
  #lookAgain = false;
  #closed = false;
  /** Resolves when the first look is done and events are being watched. */
  readonly ready: Promise<void>;

  constructor(options: FileSourceOptions) {
    this.#options = options;
    this.#files = options.files;
    if (options.pollMs > 0) {
      this.#poll = setInterval(() => this.#schedule(), options.pollMs);
      this.#poll.unref();
    }
    this.ready = this.#start();
  }

  async #start(): Promise<void> {
    await this.#watchFolders();
    this.#fingerprints = await this.#takeFingerprints();
  }

  /** Replaces the set of files; those that stay keep what is known of them, so that no change is lost. */
  update(files: readonly string[]): void {
    this.#files = files;
    this.#schedule();
  }

  /** Ends it; idempotent. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#debounce);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** Other files of the folder may change all the time (a log beside the config): the look is put off only so often. */
  #schedule(): void {
    if (this.#closed) return;
    const { debounceMs } = this.#options;
    const nowMs = performance.now();
    if (this.#debounce === undefined) this.#pendingSinceMs = nowMs;
    const latestMs = this.#pendingSinceMs + debounceMs * MAX_POSTPONEMENTS;
    clearTimeout(this.#debounce);
    const delayMs = Math.max(0, Math.min(debounceMs, latestMs - nowMs));
    this.#debounce = setTimeout(() => {
      this.#debounce = undefined;
      void this.#look();
    }, delayMs);
    this.#debounce.unref();
  }

  async #look(): Promise<void> {
    if (this.#looking) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = true;
    await this.ready;
    const now = await this.#takeFingerprints();
    // A file that is new in the set has no past to differ from.
    const changed = [...now].some(([file, print]) => (this.#fingerprints.get(file) ?? print) !== print);
    this.#fingerprints = now;
    if (!this.#closed) await this.#watchFolders();
    this.#looking = false;
    if (this.#closed) return;
    if (changed) this.#options.onChange();
    if (this.#lookAgain) {
      this.#lookAgain = false;
      this.#schedule();
    }
  }

  async #takeFingerprints(): Promise<Map<string, string>> {
    return new Map(await Promise.all(this.#files.map(async (file) => [file, await fingerprintOf(file)] as const)));
  }

  async #watchFolders(): Promise<void> {
    if (this.#options.events === false) return;
    const folders = new Set<string>();
    for (const file of this.#files) {
      folders.add(dirname(file));
      const target = await realpath(file).catch(() => undefined);
      if (target !== undefined) folders.add(dirname(target));
    }
    if (this.#closed) return;
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of folders) if (!this.#watchers.has(folder)) this.#watchFolder(folder);
  }

  #watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#schedule());
      watcher.on('error', () => this.#dropWatcher(folder, watcher));
      this.#watchers.set(folder, watcher);
    } catch {
      // The folder is missing or cannot be watched: polling still sees its files, and every look tries again.
    }
  }

  #dropWatcher(folder: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#watchers.get(folder) === watcher) this.#watchers.delete(folder);
  }
}

/** Tells two states of a file apart without reading it. */
async function fingerprintOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
  } catch {
    // Missing is a state like any other: the reload reports it, and the return of the file is a change.
    return 'missing';
  }
}
