import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as z from 'zod';
import { API_VERSION, defineFilter } from '../core/api/index.js';
import { canonicalYaml } from './print.js';
import { errorsOf, loadText } from './testing/load-text.js';
import { createStubCatalog } from './testing/stub-catalog.js';

describe('secrets', () => {
  const leaky = defineFilter({
    type: 'leaky',
    apiVersion: API_VERSION,
    configSchema: z.strictObject({
      token: z.string().superRefine((value, context) => {
        context.addIssue({ code: 'custom', message: `the token ${value} is bad` });
      }),
    }),
    inject: [],
    create: () => undefined,
  });

  it('stand in no error, whatever a plugin says', async () => {
    const text = [
      'clusters: [{ api_key: { a: marked-1 }, workers: ["http://u:marked-2@h:1"] }]',
      'auth: { api_key: marked-3, mode: marked }',
      'filters: [{ preset: standard }, { type: leaky, config: { token: $TOKEN } }]',
      'listeners: [{ port: $TOKEN }]',
    ].join('\n');
    const listing = await errorsOf(text, { env: { TOKEN: 'marked-4' }, catalog: createStubCatalog([leaky]) });
    assert.match(listing, /the token \*\*\* is bad/);
    assert.doesNotMatch(listing, /marked-\d/);
  });

  it('are also what a plugin calls secret, whatever its key is named', async () => {
    const schema = z.strictObject({
      pass: z.string().meta({ 'x-secret': true }).optional(),
      size: z.number().meta({ 'x-secret': true }).optional(),
    });
    const plugin = defineFilter({
      type: 'odd',
      apiVersion: API_VERSION,
      configSchema: schema,
      inject: [],
      create: () => undefined,
    });
    const catalog = createStubCatalog([plugin]);
    const chain = 'filters: [{ preset: standard }, { type: odd, config: {';
    const loaded = await loadText(`${chain} pass: marked-1 } }]`, { catalog });
    assert.doesNotMatch(JSON.stringify(loaded.config) + canonicalYaml(loaded), /marked-1/);
    assert.match(
      await errorsOf(`${chain} size: marked-2 } }]`, { catalog }),
      /config\.size: must be a number, not text$/,
    );
  });

  it('are hidden when a configuration is turned into text', async () => {
    const text =
      'auth: { api_key: marked-1, keys: [{ id: a, key: $KEY }] }\nclusters: [{ api_key: marked-2, workers: [http://a:1] }]';
    const { config, warnings } = await loadText(text, { env: { KEY: 'marked-3' } });
    assert.doesNotMatch(JSON.stringify(config), /marked-/);
    assert.doesNotMatch(warnings.join('\n'), /marked-/);
  });

  it('in clear text are a warning, those from elsewhere are not', async () => {
    const { warnings } = await loadText(
      'auth: { api_key: marked-1 }\nclusters: [{ api_key: $KEY, workers: [http://a:1] }]',
      {
        env: { KEY: 'x' },
      },
    );
    assert.deepEqual(warnings, ['gateway.yaml:1:18 auth.api_key: a secret in clear text; better $NAME or $file:/path']);
  });
});
