import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import {
  type Cluster,
  type Clusters,
  ConfigError,
  type FilterFactoryCb,
  type InferenceRequest,
  RequestHeaders,
} from '../../core/api/index.js';
import { createFilterHarness, FakeClock, type FilterHarness, jsonRequest } from '../../core/testing/index.js';
import { configSchema } from './config.js';
import factory from './factory.js';

function cluster(name: string, models: readonly string[], requestMs = 1000): Cluster {
  return {
    name,
    workers: [],
    policy: 'random',
    timeouts: { connectMs: 1, firstByteMs: 2, idleMs: 3, requestMs },
    serves: (model) => models.length === 0 || (model !== undefined && models.includes(model)),
    candidates: () => [],
    shedRetryAfterMs: undefined,
    selectable: () => ({ tiers: [], overloaded: [], inDoubt: [] }),
  };
}

function clustersOf(...list: Cluster[]): Clusters {
  return {
    get: (name) => list.find((each) => each.name === name),
    list: () => list,
    forModel: (model) => list.find((each) => each.serves(model)),
  };
}

const CLUSTERS = clustersOf(cluster('fast', ['llama-3', 'qwen'], 60_000), cluster('slow', ['llama-3', 'llama-4'], 0));

interface Asked {
  readonly chain: FilterHarness;
  readonly request: InferenceRequest;
}

function ask(body: object, config: object = {}, clusters: Clusters = CLUSTERS, headers: string[] = []): Asked {
  const clock = new FakeClock();
  const callback = factory.create(configSchema.parse(config), { onDispose: () => undefined }, clusters, clock);
  const request = jsonRequest(body);
  const chain = createFilterHarness([{ name: 'model', factory: callback as FilterFactoryCb }], {
    prepare: (info) => {
      info.inference = request;
    },
  });
  chain.sendHeaders(new RequestHeaders('POST', '/v1/chat/completions', 'gw', 'http', headers), false);
  return { chain, request };
}

function clusterOf({ chain }: Asked): string | undefined {
  return chain.terminal.callbacks.run.cluster?.name;
}

describe('model', () => {
  it('sends the name that self-hosted workers have for an alias of theirs', () => {
    const own: Cluster = {
      ...cluster('own', ['llama-3', 'small']),
      canonicalModel: (model) => (model === 'small' ? 'llama-3' : model),
    };
    const asked = ask({ model: 'small', top_k: 1 }, {}, clustersOf(own));
    assert.equal(asked.request.bytes().toString(), '{"model":"llama-3","top_k":1}');
    assert.equal(asked.request.model, 'llama-3');
    assert.equal(ask({ model: 'llama-3' }, {}, clustersOf(own)).request.bytes().toString(), '{"model":"llama-3"}');
  });

  it('takes a model that is there before an alias of the same name', () => {
    const config = { aliases: { qwen: 'llama-4', q: 'llama-4' } };
    const clusters = { ...CLUSTERS, hasModel: (model: string) => model === 'qwen' };
    assert.equal(ask({ model: 'qwen' }, config, clusters).request.model, 'qwen');
    assert.equal(ask({ model: 'q' }, config, clusters).request.model, 'llama-4');
  });

  it('takes the first cluster in file order that has the model', () => {
    assert.equal(clusterOf(ask({ model: 'llama-3' })), 'fast');
    const asked = ask({ model: 'llama-4' });
    assert.equal(clusterOf(asked), 'slow');
    assert.equal(asked.chain.streamInfo.route, undefined);
  });

  it('puts the model in place of its alias, in the body too', () => {
    const asked = ask({ model: 'gpt-4o', messages: [] }, { aliases: { 'gpt-4o': 'qwen', qwen: 'llama-4' } });
    assert.equal(clusterOf(asked), 'fast');
    assert.equal(asked.request.bytes().toString(), '{"model":"qwen","messages":[]}');
    assert.equal(asked.request.requestedModel, 'gpt-4o');
  });

  it('leaves the body alone without an alias', () => {
    const { request } = ask({ model: 'qwen' }, { aliases: { toString: 'x' } });
    assert.equal(request.bytes().toString(), '{"model":"qwen"}');
  });

  for (const [name, body, config] of [
    ['nobody has the model', { model: 'gpt-5' }, {}],
    ['its alias leads nowhere', { model: 'nice-name' }, { aliases: { 'nice-name': 'secret-internal' } }],
    ['the cluster of its route lacks it', { model: 'qwen' }, { routes: [{ name: 'r', cluster: 'slow' }] }],
    ['its name is empty', { model: '' }, {}],
  ] as const) {
    it(`answers 404 when ${name}, in the client's words`, () => {
      const { chain } = ask(body, config);
      assert.equal(chain.response.headers?.status, 404);
      assert.equal(chain.response.json.error.code, 'model_not_found');
      assert.equal(chain.response.json.error.param, 'model');
      assert.ok(chain.response.json.error.message.includes(`The model \`${body.model}\` does not exist`));
      assert.doesNotMatch(chain.response.body, /secret-internal/);
      assert.equal(chain.terminals[0]?.headers, undefined);
    });
  }

  it('sends a request without a model to any cluster that takes it, else 503', () => {
    assert.equal(clusterOf(ask({ text: 'x' }, {}, clustersOf(cluster('named', ['m']), cluster('any', [])))), 'any');
    const { chain } = ask({ text: 'x' });
    assert.equal(chain.response.headers?.status, 503);
    assert.equal(chain.response.json.error.code, 'no_available_workers');
  });

  it('takes the first route of which every key matches', () => {
    const routes = [
      { name: 'elsewhere', match: { listeners: ['other'] }, cluster: 'slow' },
      { name: 'batch', match: { models: ['llama-*', '!llama-4'], headers: { 'X-Tier': 'bat*' } }, cluster: 'slow' },
      { name: 'path', match: { paths: ['/v1/chat/*'], models: ['llama-3'] }, cluster: 'fast' },
      { name: 'rest', cluster: 'slow' },
    ];
    const route = (model: string, ...headers: string[]): string | undefined =>
      ask({ model }, { routes }, CLUSTERS, headers).chain.streamInfo.route;
    assert.equal(route('llama-3', 'x-tier', 'batch'), 'batch');
    assert.equal(route('llama-3', 'x-tier', 'interactive'), 'path');
    assert.equal(route('llama-3'), 'path');
    assert.equal(route('llama-4', 'x-tier', 'batch'), 'rest');
  });

  it('matches routes by the model behind the alias', () => {
    const config = {
      aliases: { a: 'llama-3' },
      routes: [{ name: 'r', match: { models: ['llama-3'] }, cluster: 'slow' }],
    };
    assert.equal(clusterOf(ask({ model: 'a' }, config)), 'slow');
  });

  it('starts the clock of the whole request', () => {
    const started = new FakeClock().monotonicMs();
    assert.equal(ask({ model: 'qwen' }).chain.streamInfo.deadlineMs, started + 60_000);
    assert.equal(ask({ model: 'llama-4' }).chain.streamInfo.deadlineMs, 0);
    const routes = [{ name: 'r', cluster: 'slow', timeouts: { request: '2m' } }];
    assert.equal(ask({ model: 'llama-4' }, { routes }).chain.streamInfo.deadlineMs, started + 120_000);
  });

  it('sets the time limits of the route, and of the cluster where it has none', () => {
    const limitsOf = (asked: Asked) => asked.chain.terminal.callbacks.run.timeouts;
    const common = { connectMs: 1, firstByteMs: 2, idleMs: 3, requestMs: 60_000 };
    assert.deepEqual(limitsOf(ask({ model: 'qwen' })), common);
    const asked = (timeouts: object) =>
      limitsOf(ask({ model: 'qwen' }, { routes: [{ name: 'r', cluster: 'fast', timeouts }] }));
    assert.deepEqual(asked({}), common);
    assert.deepEqual(asked({ idle: '1s' }), { ...common, idleMs: 1000 });
    assert.deepEqual(asked({ connect: '1s', first_byte: '2s', idle: '3s', request: '4s' }), {
      connectMs: 1000,
      firstByteMs: 2000,
      idleMs: 3000,
      requestMs: 4000,
    });
    assert.deepEqual(asked({ first_byte: '0s', request: '0s' }), { ...common, firstByteMs: 0, requestMs: 0 });
  });

  it('refuses a route to a cluster that does not exist', () => {
    assert.throws(
      () => ask({ model: 'qwen' }, { routes: [{ name: 'r', cluster: 'fasst' }] }),
      (error) =>
        error instanceof ConfigError && /"fasst"/.test(error.message) && error.path.join('.') === 'routes.0.cluster',
    );
  });
});

describe('model config', () => {
  it('reads the example of the README', () => {
    const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
    const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(text) ?? [];
    const [entry] = parse(yaml ?? '').filters;
    const settings = configSchema.parse(entry.config);
    assert.deepEqual(settings.routes[0]?.timeouts, { first_byte: 1_200_000, request: 7_200_000 });
    assert.deepEqual(settings.routes[1]?.match, {});
  });

  it('refuses nonsense', () => {
    for (const config of [
      { aliases: { a: '' } },
      { routes: [{ name: 'r' }] },
      { routes: [{ name: 'r', cluster: 'c', match: { model: ['x'] } }] },
      { routes: [{ name: 'r', cluster: 'c', timeouts: { request: 'soon' } }] },
      { routes: [{ name: 'r', cluster: 'c', timeouts: { idle: '-1s' } }] },
      { routes: [{ name: 'r', cluster: 'c', timeouts: { total: '1s' } }] },
    ]) {
      assert.equal(configSchema.safeParse(config).success, false, JSON.stringify(config));
    }
  });
});
