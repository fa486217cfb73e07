import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { ConfigErrors } from './config-errors.js';
import { loadConfig } from './loader.js';
import { canonicalYaml } from './print.js';
import { createStubCatalog } from './testing/stub-catalog.js';

const FULL = fileURLToPath(new URL('./examples/full.yaml', import.meta.url));
const FRAGMENTS = [
  'null',
  '[]',
  '{}',
  '- ',
  ': ',
  '&a ',
  '*a',
  '<<: *timeouts',
  'off',
  '-1',
  '"',
  '$KEY',
  '$$',
  '!!map ',
  '\t',
  '? ',
];
const edit = fc.record({
  at: fc.nat(),
  remove: fc.nat({ max: 12 }),
  insert: fc.oneof(fc.constantFrom(...FRAGMENTS), fc.string({ maxLength: 4 })),
});

it('whatever a file holds, it loads or is refused with located errors, and shows no secret', async () => {
  const text = await readFile(FULL, 'utf8');
  const cwd = await mkdtemp(join(tmpdir(), 'smg-fuzz-'));
  const env = { GATEWAY_API_KEY: 'marked-1', TEAM_RED_KEY: 'marked-2', WORKER_KEY: 'marked-3', KEY: 'value' };
  const catalog = createStubCatalog();
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
        let mutated = text;
        for (const { at, remove, insert } of edits) {
          const place = at % mutated.length;
          mutated = mutated.slice(0, place) + insert + mutated.slice(place + remove);
        }
        await writeFile(join(cwd, 'gateway.yaml'), mutated);
        try {
          const loaded = await loadConfig({ file: 'gateway.yaml', env, cwd, defaults: 'standard' }, catalog);
          assert.doesNotMatch(canonicalYaml(loaded, { origin: true }), /marked-/);
        } catch (error) {
          if (!(error instanceof ConfigErrors)) throw error;
          assert.ok(error.issues.length > 0);
          for (const line of error.message.split('\n')) assert.match(line, /^gateway\.yaml:\d+:\d+ /);
          assert.doesNotMatch(error.message, /marked-/);
        }
      }),
      { numRuns: 250 },
    );
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
});
