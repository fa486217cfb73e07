import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { type FilterFactoryCb, ResponseHeaders, type StreamFilter, type Worker } from '../../core/api/index.js';
import { chatRequestHeaders, createFilterHarness, type FilterHarness } from '../../core/testing/filter-harness.js';
import { configSchema } from './config.js';
import factory from './factory.js';

interface Case {
  readonly sent?: string[];
  readonly workerKey?: string;
  readonly tenant?: string;
  readonly config?: unknown;
}

function run({ sent = [], workerKey, tenant, config = {} }: Case): FilterHarness {
  const create = factory.create(configSchema.parse(config), { onDispose() {} }) as FilterFactoryCb;
  const chooseWorker: FilterFactoryCb = (callbacks): StreamFilter => {
    callbacks.run.worker = { id: 'worker-1', apiKey: workerKey } as Worker;
    return {};
  };
  const harness = createFilterHarness(
    [
      { name: 'policy', factory: chooseWorker },
      { name: 'credentials', factory: create },
    ],
    {
      prepare(info) {
        if (tenant !== undefined) info.principal = { tenant };
      },
    },
  );
  harness.sendHeaders(chatRequestHeaders(...sent, 'x-request-id', 'r1'), true);
  assert.deepEqual(harness.exceptions, []);
  return harness;
}

/** All that reached the worker besides what every request has. */
function sentOn(options: Case): string[] {
  return (run(options).terminal.headers?.flat ?? []).filter(
    (text) => !['content-type', 'application/json', 'x-request-id', 'r1'].includes(text),
  );
}

const OWN = ['authorization', 'Bearer own', 'x-api-key', 'own-2', 'x-goog-api-key', 'own-3', 'api-key', 'own-4'];

describe('credentials: on the way to the worker', () => {
  it('sends the key of the worker and nothing of the caller', () => {
    for (const pass_through of ['never', 'when_open', 'always']) {
      const sent = [...OWN, 'authorization', 'Bearer second'];
      assert.deepEqual(sentOn({ sent, workerKey: 'k', config: { pass_through } }), ['authorization', 'Bearer k']);
    }
    assert.deepEqual(sentOn({ workerKey: 'k' }), ['authorization', 'Bearer k']);
  });

  it('passes the credentials of the caller on when the gateway is open', () => {
    assert.deepEqual(sentOn({ sent: OWN }), OWN);
  });

  it('keeps them from workers when the caller authenticated here, unless it may bring its own', () => {
    assert.deepEqual(sentOn({ sent: OWN, tenant: 'red' }), []);
    assert.deepEqual(sentOn({ sent: OWN, tenant: 'red', config: { pass_through: 'always' } }), OWN);
    assert.deepEqual(sentOn({ sent: OWN, config: { pass_through: 'never' } }), []);
  });

  it('leaves other headers alone', () => {
    const sent = ['accept', '*/*', ...OWN, 'traceparent', '00-1'];
    assert.deepEqual(sentOn({ sent, tenant: 'red' }), ['accept', '*/*', 'traceparent', '00-1']);
  });

  it('calls it a bug when no worker was chosen', () => {
    const create = factory.create(configSchema.parse({}), { onDispose() {} }) as FilterFactoryCb;
    const harness = createFilterHarness([{ name: 'credentials', factory: create }]);
    harness.sendHeaders(chatRequestHeaders(), true);
    assert.equal(harness.response.headers?.status, 500);
    assert.match(String(harness.exceptions[0]), /no filter above has chosen a worker/);
  });
});

describe('credentials: on the way back', () => {
  const answer = (config: unknown): ResponseHeaders => {
    const harness = run({ config });
    const flat = [
      'access-control-allow-origin',
      '*',
      'set-cookie',
      'a=1',
      'set-cookie',
      'b=2',
      'x-smg-routed-worker-id',
      'forged',
      'alt-svc',
      'h3=":443"',
      'access-control-allow-credentials',
      'true',
      'server',
      'uvicorn',
    ];
    harness.terminal.callbacks.encodeHeaders(new ResponseHeaders(200, flat), true);
    return harness.response.headers as ResponseHeaders;
  };

  it('removes what would speak for the gateway and keeps repeated headers', () => {
    assert.deepEqual(answer({}).flat, ['set-cookie', 'a=1', 'set-cookie', 'b=2', 'server', 'uvicorn']);
  });

  it('names the worker by id when asked to', () => {
    assert.deepEqual(answer({ routed_worker_id: true }).getAll('x-smg-routed-worker-id'), ['worker-1']);
  });
});

describe('credentials: config', () => {
  it('refuses other words', () => {
    assert.equal(configSchema.safeParse({ pass_through: true }).success, false);
    assert.equal(configSchema.safeParse({ passthrough: 'never' }).success, false);
  });
});

it('the example of the README is valid', () => {
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const entry = parse(/```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? '').filters[0];
  assert.equal(entry.type, 'credentials');
  assert.equal(configSchema.parse(entry.config).routed_worker_id, true);
});
