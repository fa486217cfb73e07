import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { type ClientApi, type FilterFactoryCb, GatewayError, ResponseHeaders } from '../../core/api/index.js';
import { chatRequestHeaders, createFilterHarness, type FilterHarness } from '../../core/testing/filter-harness.js';
import { configSchema } from './config.js';
import factory from './factory.js';
import { IdGenerator } from './id-generator.js';

async function run(sent: string[], config: unknown = {}, prefix?: string): Promise<FilterHarness> {
  const create = (await factory.create(configSchema.parse(config), { onDispose() {} })) as FilterFactoryCb;
  const harness = createFilterHarness([{ name: 'request_id', factory: create }], {
    prepare(info) {
      if (prefix !== undefined) info.api = { requestIdPrefix: prefix } as ClientApi;
    },
  });
  harness.sendHeaders(chatRequestHeaders(...sent), true);
  return harness;
}

function sentUpstream(harness: FilterHarness): string[] {
  return harness.terminal.headers?.getAll('x-request-id') ?? [];
}

describe('request_id', () => {
  it('mints an id with the prefix of the api and sends it up and down', async () => {
    const harness = await run([], {}, 'chatcmpl-');
    const id = harness.streamInfo.requestId;
    assert.match(id, /^chatcmpl-[A-Za-z0-9]{24}$/);
    assert.deepEqual(sentUpstream(harness), [id]);
    harness.terminal.callbacks.encodeHeaders(new ResponseHeaders(200, ['x-request-id', 'of the worker']), true);
    assert.deepEqual(harness.response.headers?.getAll('x-request-id'), [id]);
  });

  it('mints with req- where no api takes the request', async () => {
    assert.match((await run([])).streamInfo.requestId, /^req-[A-Za-z0-9]{24}$/);
  });

  it('takes the first usable header in the configured order', async () => {
    const sent = ['request-id', 'd', 'x-correlation-id', 'b', 'x-request-id', 'a'];
    assert.equal((await run(sent)).streamInfo.requestId, 'a');
    assert.equal((await run(sent.slice(0, 4))).streamInfo.requestId, 'b');
    assert.equal((await run(['x-request-id', 'a b', 'x-trace-id', 'c'])).streamInfo.requestId, 'c');
    assert.equal((await run(sent, { headers: ['Request-Id'] })).streamInfo.requestId, 'd');
    assert.match((await run(sent, { headers: [] })).streamInfo.requestId, /^req-/);
  });

  it('shows a correlation id under x-request-id too', async () => {
    const harness = await run(['x-correlation-id', 'corr-1']);
    assert.deepEqual(sentUpstream(harness), ['corr-1']);
    assert.equal(harness.terminal.headers?.get('x-correlation-id'), 'corr-1');
  });

  it('sends one id upstream when the client sent several', async () => {
    const harness = await run(['x-request-id', 'one', 'x-request-id', 'two']);
    assert.deepEqual(sentUpstream(harness), ['one']);
  });

  it('puts the id on local replies', async () => {
    const harness = await run(['x-request-id', 'a']);
    harness.terminal.callbacks.sendLocalReply(new GatewayError('overloaded', 'busy'));
    assert.equal(harness.response.headers?.get('x-request-id'), 'a');
  });

  it('accepts exactly 1 to 128 visible ASCII characters', async () => {
    const create = factory.create(configSchema.parse({}), { onDispose() {} }) as FilterFactoryCb;
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary-ascii', maxLength: 140 }), fc.string({ maxLength: 140 })),
        (value) => {
          const harness = createFilterHarness([{ name: 'request_id', factory: create }]);
          harness.sendHeaders(chatRequestHeaders('x-request-id', value), true);
          const usable = /^[!-~]{1,128}$/.test(value);
          assert.equal(harness.streamInfo.requestId === value, usable);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('refuses a header name that cannot be one', () => {
    assert.throws(() => configSchema.parse({ headers: ['x request id'] }), /is not an HTTP header name/);
    assert.throws(() => configSchema.parse({ header: [] }));
  });
});

describe('IdGenerator', () => {
  it('makes different ids of 24 letters and digits, and uses the whole alphabet', () => {
    const generator = new IdGenerator();
    const ids = new Set<string>();
    for (let i = 0; i < 1000; i++) ids.add(generator.next());
    assert.equal(ids.size, 1000);
    for (const id of ids) assert.match(id, /^[A-Za-z0-9]{24}$/);
    assert.equal(new Set([...ids].join('')).size, 62);
  });
});

it('the example of the README is valid', () => {
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const entry = parse(/```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? '').filters[0];
  assert.equal(entry.type, 'request_id');
  assert.deepEqual(configSchema.parse(entry.config).headers, ['x-request-id', 'x-correlation-id']);
});
