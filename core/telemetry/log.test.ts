import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { GatewayError } from '../api/errors.js';
import { HeaderMap } from '../api/headers.js';
import { createLog, type LogFormat, type LogLevel } from './log.js';

function record(format: LogFormat, level: LogLevel = 'trace') {
  const lines: string[] = [];
  const sink = { write: (line: string) => void lines.push(line), writeAscii: (line: string) => void lines.push(line) };
  return { log: createLog({ format, level, sink }), lines };
}

describe('createLog', () => {
  it('writes one JSON object per line with time, level, fields and message', () => {
    const { log, lines } = record('json');
    log.logger.warn({ worker: 'w1', count: 3 }, 'worker "removed"\nnow');
    const line = JSON.parse(lines[0] as string);
    assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    delete line.time;
    assert.deepEqual(line, { level: 'warn', worker: 'w1', count: 3, msg: 'worker "removed"\nnow' });
    assert.equal((lines[0] as string).indexOf('\n'), (lines[0] as string).length - 1);
  });

  it('writes text as one line whatever the values hold', () => {
    const { log, lines } = record('text');
    log.logger.info({ path: '/a b', id: 'x1', list: [1, 2], evil: 'a\n\u001b[31mb' }, 'bad\nmessage');
    assert.match(
      lines[0] as string,
      /^\S+Z INFO {2}bad message path="\/a b" id=x1 list=\[1,2\] evil="a\\n\\u001b\[31mb"\n$/,
    );
  });

  it('leaves out what is below the level, also after a change and in child loggers', () => {
    const { log, lines } = record('json', 'warn');
    const child = log.logger.child({ part: 'cluster' });
    child.info({}, 'quiet');
    assert.equal(child.isLevelEnabled('info'), false);
    log.setLevel('debug');
    child.debug({ n: 1 }, 'loud');
    assert.equal(lines.length, 1);
    const { part, n, msg } = JSON.parse(lines[0] as string);
    assert.deepEqual({ part, n, msg }, { part: 'cluster', n: 1, msg: 'loud' });
  });

  it('writes nothing when silent', () => {
    const { log, lines } = record('json', 'silent');
    log.logger.error({}, 'x');
    assert.equal(log.logger.isLevelEnabled('error'), false);
    assert.equal(lines.length, 0);
  });

  it('prints no secret by name, in text, in URLs, in headers or in errors', () => {
    for (const format of ['json', 'text'] as const) {
      const { log, lines } = record(format);
      const headers = new HeaderMap(['authorization', 'Bearer MARKED-1', 'x-api-key', 'MARKED-2', 'accept', '*/*']);
      headers.append('cookie', 'sid=MARKED-3');
      const cause = new Error('connect to http://user:MARKED-4@host failed');
      log.logger.child({ apiKey: 'MARKED-5' }).error(
        {
          headers,
          worker: { url: 'https://MARKED-6@host/x', api_key: 'MARKED-7', nested: { password: 'MARKED-8' } },
          err: new GatewayError('upstream_reset', 'said Bearer MARKED-9', { cause }),
          text: 'key sk-MARKED10 sent',
        },
        'failed with authorization: Bearer MARKED-11',
      );
      assert.doesNotMatch(lines.join(''), /MARKED/);
      assert.match(lines.join(''), /\*\/\*/);
      assert.match(lines.join(''), /upstream_reset/);
    }
  });

  it('keeps the stack of an unexpected error and drops it for a gateway error', () => {
    const { log, lines } = record('json');
    log.logger.error({ err: new TypeError('x is not a function') });
    log.logger.error({ err: new GatewayError('overloaded', 'busy') });
    assert.match(JSON.parse(lines[0] as string).err.stack, /log\.test/);
    assert.equal(JSON.parse(lines[1] as string).err.stack, undefined);
  });

  it('survives cycles and deep objects', () => {
    const { log, lines } = record('json');
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    log.logger.info({ cycle }, 'x');
    assert.match(lines[0] as string, /\[deep\]/);
  });
});

describe('log destination', () => {
  it('writes all lines to a file in order, across batches', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'smg-log-'));
    try {
      const path = join(directory, 'out.log');
      const log = createLog({ destination: path, format: 'json' });
      for (let i = 0; i < 5000; i++) {
        if (i % 2 === 0) log.sink.writeAscii(`line ${i}\n`);
        else log.sink.write(`line ${i}\n`);
      }
      log.sink.write(`${'ü'.repeat(100_000)}\n`);
      await log.close();
      const lines = readFileSync(path, 'utf8').split('\n');
      assert.equal(lines.length, 5002);
      for (let i = 0; i < 5000; i++) assert.equal(lines[i], `line ${i}`);
      assert.equal(lines[5000], 'ü'.repeat(100_000));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('writes nothing after it was closed', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'smg-log-'));
    try {
      const path = join(directory, 'out.log');
      const log = createLog({ destination: path, format: 'json' });
      log.sink.writeAscii('before\n');
      const closing = log.close();
      log.logger.info({}, 'after');
      log.sink.writeAscii('after\n');
      await closing;
      log.flush();
      assert.equal(readFileSync(path, 'utf8'), 'before\n');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('writes what waits when the process exits', () => {
    const module = fileURLToPath(new URL('./log.ts', import.meta.url));
    const script = `import { createLog } from ${JSON.stringify(module)};
      const log = createLog({ format: 'json' });
      for (let i = 0; i < 2000; i++) log.logger.info({ i }, 'x');
      process.exit(0);`;
    const result = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    assert.equal(result.stderr, '');
    assert.equal(result.stdout.trim().split('\n').length, 2000);
  });

  it('refuses a path that cannot be opened', () => {
    assert.throws(() => createLog({ destination: '/nonexistent-directory/x.log' }), /ENOENT/);
  });

  it('counts dropped lines instead of waiting for a reader', async () => {
    let dropped = 0;
    const log = createLog({ destination: '/dev/full', format: 'json', dropped: { inc: (by = 1) => (dropped += by) } });
    for (let i = 0; i < 3000; i++) log.sink.writeAscii(`${'x'.repeat(100)}\n`);
    await log.close();
    assert.ok(dropped > 0);
  });
});
