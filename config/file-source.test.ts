import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileSource } from './file-source.js';

let folder = '';
const sources: FileSource[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'smg-watch-'));
});
afterEach(async () => {
  for (const source of sources.splice(0)) source.close();
  await rm(folder, { recursive: true, force: true });
});

/** A watched set of files and a promise for each change of it. */
class Watched {
  readonly source: FileSource;
  changes = 0;
  #waiting: (() => void)[] = [];

  constructor(files: readonly string[], options: { pollMs?: number; events?: boolean; debounceMs?: number } = {}) {
    this.source = new FileSource({
      files,
      debounceMs: options.debounceMs ?? 10,
      pollMs: options.pollMs ?? 0,
      events: options.events ?? true,
      onChange: () => {
        this.changes++;
        for (const resolve of this.#waiting.splice(0)) resolve();
      },
    });
    sources.push(this.source);
  }

  /** Resolves at the next change; the test's own time limit is the failure. */
  async next(cause: () => Promise<unknown>): Promise<void> {
    const keepAlive = setInterval(() => {}, 1000);
    const changed = new Promise<void>((resolve) => this.#waiting.push(resolve));
    await cause();
    await changed;
    clearInterval(keepAlive);
  }
}

async function watchFile(name: string, content = 'a'): Promise<{ file: string; watched: Watched }> {
  const file = join(folder, name);
  await writeFile(file, content);
  const watched = new Watched([file]);
  await watched.source.ready;
  return { file, watched };
}

const LIMIT = { timeout: 10_000 };

describe('a change of a file is noticed when it is', () => {
  it('written in place', LIMIT, async () => {
    const { file, watched } = await watchFile('a.yaml');
    await watched.next(() => writeFile(file, 'bb'));
    await watched.next(() => writeFile(file, 'cc'));
  });

  it('replaced by a rename, again and again', LIMIT, async () => {
    const { file, watched } = await watchFile('a.yaml');
    for (const content of ['b', 'c', 'd']) {
      await writeFile(`${file}.new`, content);
      await watched.next(() => rename(`${file}.new`, file));
    }
  });

  it('behind a link that is swapped, as Kubernetes does', LIMIT, async () => {
    for (const version of ['v1', 'v2', 'v3']) {
      await mkdir(join(folder, version));
      await writeFile(join(folder, version, 'gateway.yaml'), version);
    }
    await symlink('v1', join(folder, '..data'));
    await symlink(join('..data', 'gateway.yaml'), join(folder, 'gateway.yaml'));
    const watched = new Watched([join(folder, 'gateway.yaml')]);
    await watched.source.ready;
    for (const version of ['v2', 'v3']) {
      await symlink(version, join(folder, '..data.new'));
      await watched.next(() => rename(join(folder, '..data.new'), join(folder, '..data')));
    }
  });

  it('behind a link to another folder, and written there', LIMIT, async () => {
    await mkdir(join(folder, 'elsewhere'));
    await writeFile(join(folder, 'elsewhere', 'real'), 'a');
    await mkdir(join(folder, 'here'));
    await symlink(join(folder, 'elsewhere', 'real'), join(folder, 'here', 'link'));
    const watched = new Watched([join(folder, 'here', 'link')]);
    await watched.source.ready;
    await watched.next(() => writeFile(join(folder, 'elsewhere', 'real'), 'bb'));
  });

  it('while a log beside it is written all the time', LIMIT, async () => {
    const file = join(folder, 'gateway.yaml');
    await writeFile(file, 'a');
    const watched = new Watched([file], { debounceMs: 40 });
    await watched.source.ready;
    let lines = 0;
    const log = setInterval(() => void writeFile(join(folder, 'access.log'), String(lines++)), 5);
    try {
      await watched.next(() => writeFile(file, 'bb'));
    } finally {
      clearInterval(log);
    }
  });

  it('removed, and when it comes back', LIMIT, async () => {
    const { file, watched } = await watchFile('a.yaml');
    await watched.next(() => rm(file));
    await watched.next(() => writeFile(file, 'b'));
  });

  it('on a mount without events, by polling', LIMIT, async () => {
    const file = join(folder, 'a.yaml');
    await writeFile(file, 'a');
    const watched = new Watched([file], { events: false, pollMs: 20 });
    await watched.source.ready;
    await watched.next(() => writeFile(file, 'bb'));
  });

  it('a file that was added later', LIMIT, async () => {
    const { file, watched } = await watchFile('a.yaml');
    const second = join(folder, 'secret');
    await writeFile(second, 'a');
    watched.source.update([file, second]);
    // Until the new set has been looked at once, the file has no past: write until the change is seen.
    await watched.next(async () => {
      for (let round = 0; watched.changes === 0; round++) {
        await writeFile(second, 'b'.repeat((round % 50) + 2));
        await sleep(25);
      }
    });
  });
});

describe('nothing is reported', () => {
  it('for other files of the folder', LIMIT, async () => {
    const { file, watched } = await watchFile('a.yaml');
    await writeFile(join(folder, 'other'), 'x');
    await sleep(60);
    assert.equal(watched.changes, 0);
    await watched.next(() => writeFile(file, 'bb'));
    assert.equal(watched.changes, 1);
  });

  it('twice for changes that follow each other closely', LIMIT, async () => {
    const file = join(folder, 'a.yaml');
    await writeFile(file, 'a');
    const watched = new Watched([file], { debounceMs: 150 });
    await watched.source.ready;
    await watched.next(async () => {
      for (const content of ['bb', 'ccc', 'dddd']) await writeFile(file, content);
    });
    await sleep(200);
    assert.equal(watched.changes, 1);
  });

  it('after close', LIMIT, async () => {
    const { file, watched } = await watchFile('a.yaml');
    watched.source.close();
    await writeFile(file, 'bb');
    await sleep(60);
    assert.equal(watched.changes, 0);
  });
});
