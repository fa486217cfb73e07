// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders are what is tested
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { nodeOf, type Origin, toPlain } from './config-node.js';
import { collectSecrets, interpolate } from './interpolation.js';
import { errorsOf, loadText } from './testing/load-text.js';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'smg-interpolation-'));
  await writeFile(join(folder, 'key'), 'from-file\n');
  await writeFile(join(folder, 'two-lines'), 'a\nb\n\n');
});
after(() => rm(folder, { recursive: true, force: true }));

const env = { NAME: 'value', EMPTY: '', TRICK: '${NAME} $NAME', PORT: '8080', YAML: '{ a: b }' };

function originIn(dir: string): Origin {
  return { source: 'file', label: 'gateway.yaml', file: join(dir, 'gateway.yaml'), line: 3, column: 7 };
}

async function fill(text: string): Promise<{ value: unknown; messages: string[] }> {
  const node = nodeOf(text, ['a'], originIn(folder));
  const result = await interpolate(node, env, folder);
  return { value: toPlain(node), messages: result.issues.map((issue) => issue.message) };
}

describe('placeholders', () => {
  const good: readonly (readonly [string, string])[] = [
    ['$NAME', 'value'],
    ['${NAME}', 'value'],
    ['http://${NAME}:80/${PORT}', 'http://value:80/8080'],
    ['${GONE:-other}', 'other'],
    ['${EMPTY:-other}', 'other'],
    ['${NAME:-other}', 'value'],
    ['${GONE:-}', ''],
    ['${NAME:?needed}', 'value'],
    ['$EMPTY', ''],
    ['$file:key', 'from-file'],
    ['$file:./key', 'from-file'],
    ['$file:two-lines', 'a\nb\n'],
    ['<${file:key}>', '<from-file>'],
    ['$$NAME', '$NAME'],
    ['$${NAME}', '${NAME}'],
    ['a$$b', 'a$b'],
    ['costs $5', 'costs $5'],
    ['a $NAME', 'a $NAME'],
    ['$', '$'],
    ['$TRICK', '${NAME} $NAME'],
    ['plain', 'plain'],
  ];
  for (const [text, expected] of good) {
    it(`${text} gives ${JSON.stringify(expected)}`, async () => {
      assert.deepEqual(await fill(text), { value: expected, messages: [] });
    });
  }

  const bad: readonly (readonly [string, RegExp])[] = [
    ['$GONE', /^\$GONE: the environment variable GONE is not set$/],
    ['x${GONE}', /GONE is not set/],
    ['${GONE:?say where}', /^say where$/],
    ['${GONE:?}', /GONE is not set/],
    ['${NAME', /has no }/],
    ['${}', /takes NAME/],
    ['${1A}', /takes NAME/],
    ['${GONE:-${NAME}}', /cannot stand inside each other/],
    ['$file:gone', /^cannot read gone: ENOENT$/],
    ['$vault:kv/key', /no plugin resolves \$vault/],
  ];
  for (const [text, expected] of bad) {
    it(`${text} is refused`, async () => {
      const { value, messages } = await fill(text);
      assert.equal(messages.length, 1);
      assert.match(messages[0] as string, expected);
      assert.equal(value, text);
    });
  }

  it('leave values alone that were given as flags', async () => {
    const node = nodeOf('$NAME', ['a'], originIn(folder), { literal: true });
    await interpolate(node, env, folder);
    assert.equal(toPlain(node), '$NAME');
  });

  it('add no structure: a value in braces stays text', async () => {
    const { config } = await loadText('clusters: [{ workers: [{ url: "http://a:1", labels: { x: $YAML } }] }]', {
      env,
    });
    assert.equal(config.clusters[0]?.workers[0]?.labels.x, '{ a: b }');
  });

  it('take the type that the schema asks for', async () => {
    const text =
      'listeners: [{ port: $PORT }]\nadmin: { reload: { watch: $WATCH } }\nclusters: [{ workers: [{ url: "http://a:1", cost: $COST }] }]';
    const { config } = await loadText(text, { env: { ...env, WATCH: 'false', COST: '0.5' } });
    assert.equal(config.listeners[0]?.port, 8080);
    assert.equal(config.admin.reload.watch, false);
    assert.equal(config.clusters[0]?.workers[0]?.cost, 0.5);
  });

  it('stay text where the schema wants text, however numeric they look', async () => {
    const { config } = await loadText('auth: { api_key: $PORT }', { env });
    const auth = config.filters.find(({ name }) => name === 'auth');
    assert.deepEqual(auth?.parsed, { api_key: '8080', keys: [], mode: 'mask' });
  });

  it('are shown in messages instead of what they stand for', async () => {
    const listing = await errorsOf('listeners: [{ port: $NAME }]', { env: { NAME: 'marked-value' } });
    assert.equal(listing, 'gateway.yaml:1:21 listeners[0].port: must be a number, not the value of $NAME');
  });

  it('in braces inside a flow map get a hint', async () => {
    assert.match(await errorsOf('auth: { api_key: ${NAME} }', { env }), /write \$NAME, or put "\$\{NAME\}" in quotes/);
  });
});

describe('secrets of a tree', () => {
  it('are the values of secret keys and of files', async () => {
    const node = nodeOf({ api_key: 'abcd', keys: ['efgh'], port: 'open', cert: '$file:key' }, [], originIn(folder));
    await interpolate(node, env, folder);
    assert.deepEqual([...collectSecrets(node)].sort(), ['abcd', 'efgh', 'from-file']);
  });
});
