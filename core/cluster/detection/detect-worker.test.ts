import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { SystemClock } from '../../server/system-clock.js';
import { startTestSim } from '../../testing/sim-fixture.js';
import { HttpUpstreamClient } from '../upstream-client.js';
import type { WorkerFacts } from '../worker-facts.js';
import { type DetectionQuery, detectWorker } from './detect-worker.js';
import { DetectionError } from './worker-questions.js';

/** What the server says on a path: a body (200), a status without one, or nothing at all. */
type Answers = Readonly<Record<string, string | object | number | 'silent'>>;

const clock = new SystemClock();
const client = new HttpUpstreamClient({ clock });
let server: Server;
let url: string;
let answers: Answers = {};
let asked: string[] = [];

before(async () => {
  server = createServer((request, response) => {
    const path = request.url as string;
    asked.push(path);
    const answer = answers[path] ?? 404;
    if (answer === 'silent') return;
    if (typeof answer === 'number') response.writeHead(answer).end();
    else response.writeHead(200).end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => {
  client.closeAll();
  server.closeAllConnections();
  server.close();
});

beforeEach(() => {
  asked = [];
});

function detect(given: Answers, change: Partial<DetectionQuery> = {}): Promise<WorkerFacts> {
  answers = given;
  return detectWorker({ client, clock, url, runtime: undefined, models: [], options: { timeoutMs: 5_000 }, ...change });
}

function list(owner: string | undefined, ...ids: string[]): object {
  return { object: 'list', data: ids.map((id) => ({ id, object: 'model', owned_by: owner })) };
}

describe('the engine', () => {
  const rows: readonly [string, Answers, string][] = [
    ['owner sglang', { '/v1/models': list('sglang', 'm') }, 'sglang'],
    ['owner in other letters', { '/v1/models': list('SGLang', 'm') }, 'sglang'],
    ['owner nvidia', { '/v1/models': list('nvidia', 'm') }, 'sglang'],
    ['owner vllm, whatever else answers', { '/v1/models': list('vllm', 'm'), '/server_info': {} }, 'vllm'],
    ['owner trtllm', { '/v1/models': list('trtllm', 'm') }, 'trtllm'],
    ['unknown owner, /version', { '/v1/models': list('me', 'm'), '/version': {} }, 'vllm'],
    ['unknown owner, /server_info', { '/v1/models': list('me', 'm'), '/server_info': {} }, 'sglang'],
    ['unknown owner, both', { '/v1/models': list('me', 'm'), '/version': {}, '/server_info': {} }, 'vllm'],
    ['unknown owner, only the old path', { '/v1/models': list('me', 'm'), '/get_server_info': {} }, 'sglang'],
    ['unknown owner, neither', { '/v1/models': list('me', 'm') }, 'generic'],
    ['no owner', { '/v1/models': list(undefined, 'm') }, 'generic'],
    ['no list, /server_info tells the model', { '/server_info': { model_path: 'm' } }, 'sglang'],
  ];
  for (const [name, given, expected] of rows) {
    it(name, async () => {
      const facts = await detect(given);
      assert.equal(facts.runtime, expected);
      assert.deepEqual(
        facts.cards.map((card) => card.id),
        ['m'],
      );
    });
  }

  it('is not asked for when it is stated, and stated models need no list', async () => {
    assert.equal((await detect({ '/v1/models': list('vllm', 'm') }, { runtime: 'mlx' })).runtime, 'mlx');
    assert.ok(!asked.includes('/version'));
    const { runtime, cards } = await detect({}, { models: ['m'] });
    assert.equal(runtime, 'generic');
    assert.deepEqual(cards, []);
    assert.deepEqual((await detect({}, { runtime: 'vllm' })).cards, [], 'takes any model');
  });

  it('asks for /version and /server_info at the same time', async () => {
    const pending = detect(
      { '/v1/models': list('me', 'm'), '/version': 'silent', '/server_info': 'silent' },
      {
        options: { timeoutMs: 300 },
      },
    );
    assert.equal((await pending).runtime, 'generic');
    assert.deepEqual(asked.slice(0, 3).sort(), ['/server_info', '/v1/models', '/version']);
  });
});

describe('what is not certain is an error that says why', () => {
  const huge = `{"data":[${'{"id":"m"},'.repeat(500_000)}{"id":"m"}]}`;
  const rows: readonly [string, Answers, string][] = [
    ['nothing there', {}, 'engine: neither /v1/models nor /version nor /server_info is there'],
    ['a wrong key', { '/v1/models': 401, '/version': {} }, 'models: status 401'],
    ['still starting', { '/v1/models': 503 }, 'models: status 503'],
    [
      'an empty list',
      { '/v1/models': list('vllm') },
      'engine: neither /v1/models nor /version nor /server_info is there',
    ],
    ['an engine without models', { '/v1/models': list('vllm'), '/version': {} }, 'models: none listed'],
    ['an engine without a list', { '/version': {} }, 'models: status 404'],
    ['garbage', { '/v1/models': '<html>' }, 'models: invalid JSON'],
    ['another document', { '/v1/models': '[1]' }, 'models: not a list'],
    ['a huge answer', { '/v1/models': huge }, 'models: control response too large'],
  ];
  for (const [name, given, message] of rows) {
    it(name, () => assert.rejects(detect(given), { name: 'DetectionError', message }));
  }

  it('no answer in time, nobody there, given up', async () => {
    const options = { timeoutMs: 50 };
    await assert.rejects(detect({ '/v1/models': 'silent' }, { options }), /models: (?:control|first byte) timeout/);
    await assert.rejects(detect({}, { url: 'http://127.0.0.1:1' }), { message: 'models: connect refused' });
    const abort = new AbortController();
    const pending = detect(
      { '/v1/models': list('me', 'm'), '/version': 'silent' },
      { options: { signal: abort.signal } },
    );
    const reason = new Error('enough');
    setImmediate(() => abort.abort(reason));
    await assert.rejects(pending, reason);
  });

  it('a silent extra costs the attempt its time, not its result', async () => {
    const given = {
      '/v1/models': list('sglang', 'm'),
      '/server_info': 'silent',
      '/model_info': { model_type: 'x' },
    } as const;
    const facts = await detect(given, { options: { timeoutMs: 200 } });
    assert.deepEqual(facts.labels, { model_type: 'x', served_model_name: 'm' });
  });
});

describe('metadata', () => {
  const SERVER_INFO = {
    model_path: '/data/qwen',
    served_model_name: 'qwen',
    tp_size: 2,
    dp_size: 0,
    load_balance_method: 'round_robin',
    disaggregation_mode: 'null',
    version: '0.5',
    is_embedding: false,
    context_length: null,
    max_running_requests: 64,
    internal_states: [{}],
  };
  const MODEL_INFO = {
    model_path: '/other',
    tokenizer_path: '/data/tok',
    is_generation: true,
    has_image_understanding: true,
    model_type: 'qwen2_vl',
    architectures: ['A', 'B'],
  };
  const LABELS = {
    model_path: '/data/qwen',
    served_model_name: 'qwen',
    tp_size: '2',
    load_balance_method: 'round_robin',
    version: '0.5',
    is_embedding: 'false',
    max_running_requests: '64',
    tokenizer_path: '/data/tok',
    is_generation: 'true',
    has_image_understanding: 'true',
    model_type: 'qwen2_vl',
    architectures: '["A","B"]',
    max_model_len: '8192',
  };
  const MODELS = {
    data: [
      { id: 'qwen', owned_by: 'sglang', max_model_len: 8192 },
      { id: 'lora', parent: 'qwen' },
    ],
  };

  it('of SGLang, on its new paths and its old ones', async () => {
    for (const prefix of ['/', '/get_']) {
      const facts = await detect({
        '/v1/models': MODELS,
        [`${prefix}server_info`]: SERVER_INFO,
        [`${prefix}model_info`]: MODEL_INFO,
      });
      assert.deepEqual(facts.labels, LABELS);
      const shared = {
        contextLength: 8192,
        capabilities: ['chat', 'completions', 'responses', 'tools', 'vision'],
        architectures: ['A', 'B'],
        hfModelType: 'qwen2_vl',
        tokenizerPath: '/data/tok',
      };
      assert.deepEqual(facts.cards, [
        { ...shared, id: 'qwen' },
        { ...shared, id: 'lora', parent: 'qwen' },
      ]);
    }
  });

  it('of vLLM: the list and the version, adapters included', async () => {
    const models = { data: [{ id: 'base', owned_by: 'vllm', root: '/data/base', max_model_len: 4096 }, { id: 'sql' }] };
    const facts = await detect({ '/v1/models': models, '/version': { version: '0.9' }, '/server_info': SERVER_INFO });
    assert.deepEqual(facts.labels, {
      version: '0.9',
      served_model_name: 'base',
      model_path: '/data/base',
      max_model_len: '4096',
    });
    assert.deepEqual(
      facts.cards.map((card) => card.id),
      ['base', 'sql'],
    );
    assert.ok(!asked.includes('/server_info'));
  });

  it('the name of the model: served name, then id, then path', async () => {
    const first = async (info: object): Promise<string | undefined> =>
      (await detect({ '/server_info': info })).cards[0]?.id;
    assert.equal(await first({ served_model_name: 'a', model: 'b', model_path: 'c' }), 'a');
    assert.equal(await first({ model: 'b', model_path: 'c' }), 'b');
    assert.equal(await first({ served_model_name: '', model_path: 'c' }), 'c');
  });

  it('capabilities of models that do not generate', async () => {
    const of = async (info: object): Promise<unknown> =>
      (await detect({ '/server_info': { model_path: 'm' }, '/model_info': info })).cards[0]?.capabilities;
    assert.deepEqual(await of({ is_generation: false, architectures: ['BertModel'] }), ['embeddings']);
    assert.deepEqual(await of({ is_generation: false, architectures: ['XRerankModel'] }), ['rerank']);
  });

  it('garbage is as good as none', async () => {
    const facts = await detect({ '/v1/models': MODELS, '/server_info': '{"a":', '/model_info': '[[[]]]' });
    assert.deepEqual(facts.labels, { served_model_name: 'qwen', max_model_len: '8192' });
  });
});

describe('simulated engines', () => {
  for (const runtime of ['sglang', 'vllm', 'openai'] as const) {
    it(runtime, async () => {
      const sim = await startTestSim({ runtime, models: ['one', 'two'], context_length: 2048 });
      try {
        const facts = await detect({}, { url: sim.url });
        assert.equal(facts.runtime, runtime === 'openai' ? 'generic' : runtime);
        assert.deepEqual(
          facts.cards.map((card) => card.id),
          ['one', 'two'],
        );
        if (runtime !== 'openai') assert.equal(facts.cards[1]?.contextLength, 2048);
      } finally {
        await sim.close();
      }
    });
  }
});

describe('providers', () => {
  const ask = (models: unknown): Promise<WorkerFacts> =>
    detect({ '/v1/models': models as object }, { runtime: 'external' });

  it('dated names are aliases of the shortest one', async () => {
    const names = ['gpt-4o-2024-08-06', 'gpt-4o', 'gpt-4o-2024-05', 'o1-2024-12-17', 'gpt-4o-mini'];
    const { cards, labels } = await ask(list('system', ...names));
    assert.deepEqual(
      cards.map(({ id, aliases }) => [id, aliases]),
      [
        ['gpt-4o', ['gpt-4o-2024-08-06', 'gpt-4o-2024-05']],
        ['o1-2024-12-17', undefined],
        ['gpt-4o-mini', undefined],
      ],
    );
    assert.deepEqual(labels, {});
    assert.deepEqual(cards[1]?.capabilities?.includes('reasoning'), true);
    assert.equal(cards[0]?.provider, 'openai');
    assert.deepEqual(asked, ['/v1/models'], 'no engine is looked for');
  });

  it('the lists of Anthropic and Gemini, whose names lose their prefix', async () => {
    const anthropic = await ask({
      data: [{ type: 'model', id: 'claude-x', display_name: 'Claude X' }],
      has_more: false,
    });
    assert.equal(anthropic.cards[0]?.displayName, 'Claude X');
    const gemini = await ask({ models: [{ name: 'models/gemini-x', displayName: 'G', inputTokenLimit: 1000 }] });
    assert.equal(gemini.cards[0]?.id, 'gemini-x');
    assert.equal(gemini.cards[0]?.contextLength, 1000);
  });

  it('are asked under their own path, page by page', async () => {
    const pages = await detect(
      {
        '/v1/models?limit=1000': { data: [{ id: 'claude-a' }], has_more: true, last_id: 'claude-a' },
        '/v1/models?limit=1000&after_id=claude-a': { data: [{ id: 'claude-b' }], has_more: false, last_id: 'claude-b' },
      },
      { runtime: 'external', provider: 'anthropic' },
    );
    assert.deepEqual(
      pages.cards.map(({ id }) => id),
      ['claude-a', 'claude-b'],
    );
    const gemini = await detect(
      {
        '/v1beta/models?pageSize=1000': { models: [{ name: 'models/gemini-a' }], nextPageToken: 't=' },
        '/v1beta/models?pageSize=1000&pageToken=t%3D': { models: [{ name: 'models/gemini-b' }] },
      },
      { runtime: 'external', provider: 'gemini' },
    );
    assert.equal(gemini.cards.length, 2);
  });

  it('that turn their pages for ever are left at some point', async () => {
    const page = { models: [{ name: 'models/gemini-a' }], nextPageToken: 't' };
    const answers = { '/v1beta/models?pageSize=1000': page, '/v1beta/models?pageSize=1000&pageToken=t': page };
    assert.equal((await detect(answers, { runtime: 'external', provider: 'gemini' })).cards.length, 1);
    assert.equal(asked.length, 20);
  });

  it('an empty list or a refusal is an error', async () => {
    await assert.rejects(ask({ data: [] }), { message: 'models: none listed' });
    await assert.rejects(detect({}, { runtime: 'external' }), { message: 'models: status 404' });
  });
});

it('whatever a worker answers, detection gives facts or its own error', async () => {
  const values = fc.oneof(
    fc.json().map((text) => text),
    fc.string(),
    fc.constantFrom(204, 301, 401, 404, 500),
    fc.record({
      data: fc.array(fc.record({ id: fc.anything(), owned_by: fc.anything(), max_model_len: fc.anything() }), {
        maxLength: 3,
      }),
    }),
    fc.dictionary(
      fc.constantFrom('model_path', 'served_model_name', 'architectures', 'dp_size', '__proto__'),
      fc.jsonValue(),
    ),
  );
  const servers = fc.dictionary(
    fc.constantFrom('/v1/models', '/version', '/server_info', '/get_server_info', '/model_info', '/get_model_info'),
    values,
  );
  await fc.assert(
    fc.asyncProperty(servers, fc.constantFrom(undefined, 'sglang', 'vllm', 'external'), async (given, runtime) => {
      try {
        const { cards, labels } = await detect(serialisable(given), { runtime });
        for (const card of cards) assert.ok(typeof card.id === 'string' && card.id !== '');
        for (const label of Object.values(labels)) assert.ok(typeof label === 'string' && label !== '');
      } catch (error) {
        assert.ok(error instanceof DetectionError, String(error));
        assert.doesNotMatch(error.message, /127\.0\.0\.1|http:/);
      }
    }),
    { numRuns: 200 },
  );
});

/** Values that JSON cannot carry (BigInt) become text. */
function serialisable(given: Record<string, unknown>): Answers {
  const text = JSON.stringify(given, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  return JSON.parse(text);
}
