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
  /** The worker; an engine unless it says otherwise. */
  readonly worker?: Partial<Worker>;
}

function run({ sent = [], workerKey, tenant, config = {}, worker = {} }: Case): FilterHarness {
  const create = factory.create(configSchema.parse(config), { onDispose() {} }) as FilterFactoryCb;
  const chooseWorker: FilterFactoryCb = (callbacks): StreamFilter => {
    callbacks.run.worker = { id: 'worker-1', url: 'https://w', apiKey: workerKey, ...worker } as Worker;
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

const ANTHROPIC = 'sk-ant-api03-0123456789';
const KEYS = [
  ['authorization', 'Bearer sk-proj-0123456789'],
  ['authorization', `Bearer ${ANTHROPIC}`],
  ['authorization', 'Bearer AIzaSy0123456789'],
  ['authorization', 'Bearer xai-0123456789ab'],
  ['authorization', 'bearer plain-0123456789ab'],
  ['x-api-key', ANTHROPIC],
  ['x-api-key', 'xai-2'],
  ['x-goog-api-key', 'AIzaSy20123456789'],
  ['api-key', 'azure-0123456789ab'],
  ['x-provider-key-anthropic', 'named-a'],
  ['x-provider-key-groq', 'named-g'],
] as const;

describe('credentials: for a cloud API', () => {
  const cloud = (provider: string | undefined, more: Partial<Worker> = {}): Partial<Worker> => ({
    runtime: 'external',
    provider,
    byok: 'allow',
    ...more,
  });
  const key = (options: Case): string[] =>
    sentOn(options).filter((text) => text !== 'anthropic-version' && text !== '2023-06-01');

  it('each kind of key reaches the providers that it may be meant for, in their header, and no other', () => {
    const providers = ['openai', 'xai', 'anthropic', 'gemini', 'azure', 'groq', undefined];
    const table = KEYS.map(([name, value]) => {
      const reached = providers.map((provider) => {
        const harness = run({ sent: [name, value], worker: cloud(provider) });
        const { status } = harness.response.headers ?? {};
        if (status !== undefined) return `${status} ${harness.response.json.error.code}`;
        const flat = harness.terminal.headers?.flat ?? [];
        const at = flat.findIndex((text, i) => i % 2 === 0 && /authorization|key/.test(text));
        return at < 0 ? '' : `${flat[at]}: ${flat[at + 1]}`;
      });
      return [`${name}: ${value}`, ...reached];
    });
    const no = '401 provider_key_mismatch';
    const bearer = (token: string) => `authorization: Bearer ${token}`;
    assert.deepEqual(table, [
      [
        bearer('sk-proj-0123456789'),
        bearer('sk-proj-0123456789'),
        no,
        no,
        no,
        no,
        bearer('sk-proj-0123456789'),
        bearer('sk-proj-0123456789'),
      ],
      [bearer(ANTHROPIC), no, no, `x-api-key: ${ANTHROPIC}`, no, no, no, no],
      [bearer('AIzaSy0123456789'), no, no, no, 'x-goog-api-key: AIzaSy0123456789', no, no, no],
      [bearer('xai-0123456789ab'), no, bearer('xai-0123456789ab'), no, no, no, no, no],
      [
        'authorization: bearer plain-0123456789ab',
        'authorization: bearer plain-0123456789ab',
        'authorization: bearer plain-0123456789ab',
        'x-api-key: plain-0123456789ab',
        'x-goog-api-key: plain-0123456789ab',
        'api-key: plain-0123456789ab',
        'authorization: bearer plain-0123456789ab',
        'authorization: bearer plain-0123456789ab',
      ],
      [`x-api-key: ${ANTHROPIC}`, no, no, `x-api-key: ${ANTHROPIC}`, no, no, no, no],
      ['x-api-key: xai-2', no, no, no, no, no, no, no],
      ['x-goog-api-key: AIzaSy20123456789', no, no, no, 'x-goog-api-key: AIzaSy20123456789', no, no, no],
      ['api-key: azure-0123456789ab', no, no, no, no, 'api-key: azure-0123456789ab', no, no],
      ['x-provider-key-anthropic: named-a', no, no, 'x-api-key: named-a', no, no, no, no],
      ['x-provider-key-groq: named-g', no, no, no, no, no, bearer('named-g'), no],
    ]);
  });

  it('exactly one key goes out, whatever the caller and the worker have', () => {
    const sent = KEYS.flat();
    for (const provider of ['openai', 'xai', 'anthropic', 'gemini', 'azure', 'groq', undefined]) {
      for (const workerKey of [undefined, 'stored']) {
        for (const prefer of ['caller', 'worker']) {
          const flat = key({ sent, worker: cloud(provider), config: { prefer }, ...(workerKey && { workerKey }) });
          assert.equal(flat.length, 2, `${provider} ${workerKey} ${prefer}: ${flat}`);
          assert.equal(flat[1]?.includes('stored'), workerKey !== undefined && prefer === 'worker');
        }
      }
    }
  });

  it('the caller’s key goes before the worker’s own, unless it is told otherwise', () => {
    const sent = ['authorization', 'Bearer mine-0123456789ab'];
    const openai = cloud('openai');
    assert.deepEqual(key({ sent, workerKey: 'k', worker: openai }), ['authorization', 'Bearer mine-0123456789ab']);
    assert.deepEqual(key({ workerKey: 'k', worker: openai }), ['authorization', 'Bearer k']);
    const prefer = { prefer: 'worker' };
    assert.deepEqual(key({ sent, workerKey: 'k', worker: openai, config: prefer }), ['authorization', 'Bearer k']);
    assert.deepEqual(key({ sent, worker: openai, config: prefer }), ['authorization', 'Bearer mine-0123456789ab']);
    const deny = cloud('openai', { byok: 'deny' });
    assert.deepEqual(key({ sent, workerKey: 'k', worker: deny }), ['authorization', 'Bearer k']);
    assert.deepEqual(key({ sent, worker: deny }), []);
    // Another provider's key is no reason to fail where the worker has one.
    const wrong = ['authorization', `Bearer ${ANTHROPIC}`];
    assert.deepEqual(key({ sent: wrong, workerKey: 'k', worker: openai }), ['authorization', 'Bearer k']);
  });

  it('what is too short for a key is one only where there is no other', () => {
    const sent = ['authorization', 'Bearer unused'];
    const worker = cloud('anthropic');
    assert.deepEqual(key({ sent, workerKey: 'k', worker }), ['x-api-key', 'k']);
    assert.deepEqual(key({ sent: ['x-api-key', 'EMPTY'], workerKey: 'k', worker }), ['x-api-key', 'k']);
    assert.deepEqual(key({ sent, worker }), ['x-api-key', 'unused']);
    assert.deepEqual(key({ sent: ['x-provider-key-anthropic', 'k2'], workerKey: 'k', worker }), ['x-api-key', 'k2']);
  });

  it('that wants the caller’s key, nothing goes out without one', () => {
    const worker = cloud('openai', { byok: 'require' });
    assert.deepEqual(key({ sent: ['authorization', 'Bearer mine-0123456789ab'], workerKey: 'k', worker }), [
      'authorization',
      'Bearer mine-0123456789ab',
    ]);
    for (const [sent, code] of [
      [[], 'missing_provider_key'],
      [['authorization', `Bearer ${ANTHROPIC}`], 'provider_key_mismatch'],
    ] as const) {
      const harness = run({ sent: [...sent], workerKey: 'k', worker });
      assert.equal(harness.response.headers?.status, 401);
      assert.equal(harness.response.json.error.code, code);
      assert.equal(harness.terminal.headers, undefined);
    }
  });

  it('names the version that Anthropic wants, the caller’s if it has one, and leaves its tokens bearer tokens', () => {
    const worker = cloud('anthropic');
    assert.deepEqual(sentOn({ workerKey: 'k', worker }), ['x-api-key', 'k', 'anthropic-version', '2023-06-01']);
    assert.deepEqual(sentOn({ sent: ['x-api-key', 'mine-0123456789ab', 'anthropic-version', '2024-01-01'], worker }), [
      'anthropic-version',
      '2024-01-01',
      'x-api-key',
      'mine-0123456789ab',
    ]);
    assert.deepEqual(key({ sent: ['authorization', 'Bearer sk-ant-oat01-x'], worker }), [
      'authorization',
      'Bearer sk-ant-oat01-x',
    ]);
  });

  it('without TLS outside of private networks no key goes out', () => {
    const openai = (url: string) => cloud('openai', { url });
    for (const url of [
      'http://127.0.0.1:1',
      'http://10.1.2.3',
      'http://[fd00::1]',
      'http://llm.internal',
      'http://proxy',
    ]) {
      assert.deepEqual(key({ workerKey: 'k', worker: openai(url) }), ['authorization', 'Bearer k'], url);
    }
    for (const url of ['http://api.example.com', 'http://8.8.8.8', 'http://172.32.0.1']) {
      const harness = run({ workerKey: 'k', worker: openai(url) });
      assert.equal(harness.response.json.error.code, 'missing_provider_key', url);
      const allowed = { workerKey: 'k', worker: openai(url), config: { allow_plaintext_keys: true } };
      assert.deepEqual(key(allowed), ['authorization', 'Bearer k']);
      assert.deepEqual(key({ worker: openai(url) }), [], 'without a key nothing speaks against it');
    }
  });

  it('an error that repeats a key loses it, and nothing else, however it is cut', () => {
    const body = JSON.stringify({ error: { message: 'Incorrect API key provided: sk-proj-12345678. “é”' } });
    const expected = body.replace('sk-proj-12345678', '***');
    for (let cut = 0; cut <= body.length; cut += 7) {
      const harness = run({ workerKey: 'sk-proj-12345678', worker: cloud('openai') });
      const { callbacks } = harness.terminal;
      const bytes = Buffer.from(body);
      callbacks.encodeHeaders(new ResponseHeaders(401, ['content-length', String(bytes.length)]), false);
      callbacks.encodeData(bytes.subarray(0, cut), false);
      callbacks.encodeData(bytes.subarray(cut), true);
      assert.equal(harness.response.body, expected);
      assert.equal(harness.response.headers?.has('content-length'), false);
    }
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
