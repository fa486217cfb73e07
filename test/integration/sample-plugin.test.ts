import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Resolves with the port that the line `main http://127.0.0.1:PORT` names. */
async function readPort(output: () => string): Promise<number> {
  for (let i = 0; i < 500; i++) {
    const port = /main http:\/\/127\.0\.0\.1:(\d+)/.exec(output())?.[1];
    if (port !== undefined) return Number(port);
    await sleep(20);
  }
  throw new Error(`the gateway did not start:\n${output()}`);
}

/** What smg depends on, as folders of this checkout, so that npm needs no registry. */
async function installedDependencies(): Promise<Record<string, string>> {
  const { stdout } = await exec('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: ROOT });
  const folders = stdout.trim().split('\n').slice(1);
  return Object.fromEntries(folders.map((folder) => [folder.split('/node_modules/').at(-1), `file:${folder}`]));
}

describe('the sample plugin, installed from packed tarballs', () => {
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'smg-packed-'));
    // The build is that of `npm ci`; packing must not run it again under the other tests.
    await exec('npm', ['pack', '--ignore-scripts', '--pack-destination', dir], { cwd: ROOT });
    await exec('npm', ['pack', '--pack-destination', dir], { cwd: join(ROOT, 'examples/plugin-header') });
    const tarballs = (await readdir(dir)).filter((name) => name.endsWith('.tgz')).map((name) => `./${name}`);
    assert.equal(tarballs.length, 2);
    const manifest = { name: 'somebody', private: true, dependencies: await installedDependencies() };
    await writeFile(join(dir, 'package.json'), JSON.stringify(manifest));
    await exec('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', ...tarballs], {
      cwd: dir,
    });
  });

  after(() => rm(dir, { recursive: true, force: true }));

  it('adds its header and counts streamed events', async () => {
    await writeFile(
      join(dir, 'gateway.yaml'),
      `
listeners: [{ host: 127.0.0.1, port: 0 }]
telemetry: { metrics: { prometheus: { port: 0 } } }
plugins: [smg-plugin-header]
filters:
  - preset: standard
  - { name: response_header, config: { name: x-served-by, value: somebody } }
clusters: [{ name: sims, engine: { type: sim, config: { models: [m], ttft: 0, itl: 0, output_tokens: 4 } } }]
`,
    );
    const gateway = spawn(join(dir, 'node_modules/.bin/smg'), ['--config', 'gateway.yaml'], { cwd: dir });
    let output = '';
    gateway.stdout.on('data', (chunk) => {
      output += String(chunk);
    });
    gateway.stderr.on('data', (chunk) => {
      output += String(chunk);
    });
    try {
      const port = await readPort(() => output);
      let response: Response | undefined;
      for (let i = 0; i < 100 && response?.status !== 200; i++) {
        await response?.text();
        if (i > 0) await sleep(20);
        response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] }),
        });
      }
      assert.equal(response?.headers.get('x-served-by'), 'somebody', output);
      const events = (await response?.text())?.trim().split('\n\n').length;
      const metrics = /"metrics":"(http:[^"]+)"/.exec(output)?.[1] ?? '';
      const text = await (await fetch(metrics)).text();
      assert.match(text, new RegExp(`^\\S*events_total\\S* ${events}$`, 'm'), text);
    } finally {
      gateway.kill('SIGTERM');
      await new Promise((resolve) => gateway.once('exit', resolve));
    }
  });
});
