import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCli } from './cli.js';
import { HELP_COLUMNS, helpText } from './help.js';
import type { CliIo, Environment } from './io.js';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'smg-cli-'));
});
after(() => rm(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command in this process, in a folder of its own. */
async function smg(argv: readonly string[], env: Environment = {}): Promise<Outcome> {
  let [stdout, stderr] = ['', ''];
  const io: CliIo = {
    cwd: folder,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    onSignal: () => () => {},
  };
  const code = await runCli(argv, env, io);
  return { code, stdout, stderr };
}

async function withFile(text: string, ...argv: readonly string[]): Promise<Outcome> {
  await writeFile(join(folder, 'gateway.yaml'), text);
  try {
    return await smg(argv, { KEY: 'marked-from-env' });
  } finally {
    await rm(join(folder, 'gateway.yaml'));
  }
}

const GOOD =
  'listeners: [{ host: 127.0.0.1, port: 8080 }]\nclusters: [http://a:1, http://b:2]\nauth: { api_key: $KEY }\n';

describe('smg', () => {
  it('prints its version wherever the word stands', async () => {
    for (const argv of [['--version'], ['-V'], ['check', '--port', '--version'], ['--nonsense', '--version']]) {
      const { code, stdout } = await smg(argv);
      assert.equal(code, 0);
      assert.match(stdout, /^smg \d+\.\d+\.\d+\S*\n$/);
    }
    assert.match((await smg(['--version-verbose'])).stdout, /^smg .*\n\nNode: v\d/);
  });

  it('prints its help, no line longer than the terminal', async () => {
    const { code, stdout } = await smg(['--help']);
    assert.equal(code, 0);
    assert.equal(stdout, helpText());
    assert.deepEqual(
      stdout.split('\n').filter((line) => line.length > HELP_COLUMNS),
      [],
    );
    for (const word of ['--worker-urls', 'smg check', '--cb-failure-threshold']) assert.ok(stdout.includes(word), word);
    assert.equal((await smg(['check', '--help'])).stdout, stdout);
  });

  it('refuses unknown commands and flags with exit code 2', async () => {
    const unknown = await smg(['chekc']);
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /unknown command "chekc" \(did you mean "check"\?\)/);
    assert.match((await smg(['serve'])).stderr, /serve is not built yet/);
    const flags = await smg(['--prot', '1', '--mesh-port', '3']);
    assert.equal(flags.code, 2);
    assert.match(flags.stderr, /unknown flag --prot.*\n.*--mesh-port: the mesh of gateways is not built yet/);
    assert.equal((await smg(['--port', '8000', 'launch'])).code, 2);
  });
});

describe('smg check', () => {
  it('is content with a good file', async () => {
    const { code, stdout, stderr } = await withFile(GOOD, 'check');
    assert.deepEqual(
      [code, stdout, stderr],
      [0, 'gateway.yaml is good: 1 listener, 14 filters, 1 cluster, 2 workers\n', ''],
    );
  });

  it('lists every mistake with its place and exits with 78', async () => {
    const text = 'listeners: [{ prot: 80 }]\nclusters:\n  - policy: round_robbin\nauth: { api_key: 5 }\n';
    const { code, stderr } = await withFile(text, 'check', '-c', 'gateway.yaml');
    assert.equal(code, 78);
    assert.deepEqual(stderr.trimEnd().split('\n'), [
      'gateway.yaml:1:15 listeners[0].prot: unknown key (did you mean "port"?)',
      'gateway.yaml:3:13 clusters[0].policy: no policy "round_robbin" (did you mean "round_robin"?)',
      'gateway.yaml:4:18 auth.api_key: must be text, not a number',
    ]);
  });

  it('refuses flags that change nothing beside a file, and only warns without one', async () => {
    const beside = await withFile(GOOD, 'check', '--policy', 'random');
    assert.deepEqual(
      [beside.code, beside.stderr.split('\n')[0]],
      [2, 'smg: --policy has no effect without --worker-urls'],
    );
    const alone = await smg(['check', '--policy', 'random']);
    assert.equal(alone.code, 0);
    assert.match(alone.stderr, /warning: --policy has no effect/);
  });

  it('exits with 78 when the file is not there', async () => {
    const { code, stderr } = await smg(['check', '-c', 'nowhere.yaml']);
    assert.deepEqual([code, stderr], [78, 'nowhere.yaml no such file\n']);
  });
});

describe('smg config', () => {
  it('print shows what is in effect and no secret', async () => {
    const { code, stdout } = await withFile(GOOD, 'config', 'print', '--origin', '--port', '81');
    assert.equal(code, 0);
    assert.match(stdout, /port: 81 # --port\n/);
    assert.match(stdout, /api_key: "\*\*\*" # gateway\.yaml:3:18\n/);
    assert.doesNotMatch(stdout, /marked/);
  });

  it('print --chain shows the filters', async () => {
    const { stdout } = await withFile(GOOD, 'config', 'print', '--chain');
    assert.match(stdout, /^filters, top to bottom:\n +1 {2}request_id/);
    assert.match(stdout, /otherwise: by model → default\n$/);
  });

  it('from-flags prints a file that check accepts', async () => {
    const argv = [
      'config',
      'from-flags',
      '--',
      '--worker-urls',
      'http://a:1',
      '--policy',
      'round_robin',
      '--port',
      '30000',
    ];
    const { code, stdout } = await smg(argv);
    assert.equal(code, 0);
    assert.equal((await withFile(stdout, 'check')).code, 0);
    assert.equal((await smg(['config', 'from-flags', '--', '--nope'])).code, 2);
  });

  it('schema prints what is committed', async () => {
    const committed = await readFile(fileURLToPath(new URL('../../config/schema.json', import.meta.url)), 'utf8');
    assert.equal((await smg(['config', 'schema'])).stdout, committed);
  });

  it('takes nothing else', async () => {
    assert.equal((await smg(['config'])).code, 2);
    assert.match((await smg(['config', 'diff'])).stderr, /diff is not built yet/);
  });
});

describe('smg plugins', () => {
  it('lists types by kind with what they need and give', async () => {
    const { code, stdout } = await smg(['plugins']);
    assert.equal(code, 0);
    assert.match(stdout, /^filter:\n(?: {2}.*\n)* {2}upstream .*ends the chain/);
    assert.match(stdout, /\npolicy:\n(?: {2}.*\n)* {2}round_robin/);
    assert.match(stdout, /\nengine:\n {2}sim /);
  });
});

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

/** A real process; `until` is a text on stdout or stderr after which it gets SIGTERM. */
function runProcess(
  argv: readonly string[],
  until?: string,
  onOutput: (text: string) => void = () => {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...argv], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: { PATH: process.env.PATH },
    });
    let [stdout, stderr] = ['', ''];
    const onText = (): void => {
      onOutput(stdout);
      if (until === undefined || child.killed || !`${stdout}${stderr}`.includes(until)) return;
      child.kill('SIGTERM');
    };
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      onText();
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
      onText();
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
}

describe('a process', { timeout: 60_000 }, () => {
  it('starts, says where it listens, and ends with 0 on SIGTERM', async () => {
    const argv = [
      'launch',
      '--host',
      '127.0.0.1',
      '--port',
      '0',
      '--prometheus-port',
      '0',
      '--prometheus-host',
      '127.0.0.1',
      '--log-json',
    ];
    const { code, stdout } = await runProcess([...argv, '--worker-urls', 'http://127.0.0.1:9'], 'gateway started');
    assert.equal(code, 0);
    const started = stdout.split('\n').find((line) => line.includes('gateway started')) as string;
    const { listeners, clusters } = JSON.parse(started) as { listeners: string[]; clusters: unknown[] };
    assert.match(listeners[0] as string, /^main http:\/\/127\.0\.0\.1:\d+$/);
    assert.deepEqual(clusters, [{ name: 'cli', workers: 1, policy: 'power_of_two' }]);
  });

  it('reloads when its file changes, and keeps what it has when the change is wrong', async () => {
    const file = join(folder, 'reload.yaml');
    const base =
      'listeners: [{ host: 127.0.0.1, port: 0 }]\ntelemetry: { metrics: { prometheus: off }, logs: { format: json } }\n';
    await writeFile(file, `${base}clusters: [{ name: a, workers: [http://127.0.0.1:9] }]\n`);
    const steps: readonly (readonly [string, () => Promise<void>])[] = [
      ['gateway started', () => writeFile(file, `${base}clusters: [{ name: a, workers: [http://127.0.0.1:10] }]\n`)],
      ['configuration reloaded', () => writeFile(file, `${base}clusterz: []\n`)],
      ['configuration rejected', () => writeFile(file, `${base}clusters: [{ name: b }]\n`)],
      ['cluster \\"b\\" added', async () => {}],
    ];
    let next = 0;
    const { code, stdout } = await runProcess(['-c', file], steps.at(-1)?.[0], (text) => {
      const step = steps[next];
      if (step === undefined || !text.includes(step[0])) return;
      next++;
      void step[1]();
    });
    assert.equal(code, 0);
    assert.match(stdout, /worker http:\/\/127\.0\.0\.1:10 added/);
    assert.match(stdout, /reload\.yaml:3:1 clusterz: unknown key \(did you mean \\"clusters\\"\?\)/);
  });

  it('exits with 69 when its port is taken, and names it', async () => {
    const { createServer } = await import('node:net');
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    const { code, stderr } = await runProcess([
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '--prometheus-port',
      '0',
    ]);
    taken.close();
    assert.equal(code, 69);
    assert.ok(stderr.includes(String(port)), stderr);
  });

  it('exits with 78 when its configuration is wrong', async () => {
    const { code, stderr } = await runProcess(['--worker-urls', 'w1:8000']);
    assert.equal(code, 78);
    assert.match(stderr, /^--worker-urls clusters\.cli\.workers\[0\]: must be a URL/);
  });
});
