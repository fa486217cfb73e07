import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FILTER_PRESETS } from './filters.js';
import { errorsOf, loadText } from './testing/load-text.js';

async function chainOf(text: string): Promise<string[]> {
  const { config } = await loadText(text);
  return config.filters.map(({ name, type }) => (name === type ? name : `${name}:${type}`));
}

/** The standard chain with other entries before `inference`. */
function standardWith(...names: string[]): string[] {
  return FILTER_PRESETS.standard.flatMap((name) => (name === 'inference' ? [...names, name] : [name]));
}

const standard = [...FILTER_PRESETS.standard];

describe('a filter chain', () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ['is the standard one by default', '{}', standard],
    ['takes a preset as one entry', 'filters: [{ preset: standard }]', standard],
    ['can be minimal', 'filters: [{ preset: minimal }]', [...FILTER_PRESETS.minimal]],
    ['gets the terminal filter when it lacks one', 'filters: [{ preset: none }, inference]', ['inference', 'upstream']],
    [
      'puts new entries in front of inference, in their order',
      'filters: [{ preset: standard }, { name: one, type: tagger }, { name: two, type: tagger }]',
      standardWith('one:tagger', 'two:tagger'),
    ],
    [
      'replaces an entry of the same name in place',
      'filters: [{ preset: standard }, { name: cors, type: tagger }]',
      standard.map((name) => (name === 'cors' ? 'cors:tagger' : name)),
    ],
    [
      'drops what is disabled',
      'filters: [{ preset: standard }, { name: cors, disabled: true }]',
      standard.filter((name) => name !== 'cors'),
    ],
    [
      'moves behind an anchor, several in their order',
      'filters: [{ preset: standard }, { name: a, type: tagger, after: model }, { name: b, type: tagger, after: model }]',
      standard.flatMap((name) => (name === 'model' ? [name, 'a:tagger', 'b:tagger'] : [name])),
    ],
    [
      'moves in front of an anchor',
      'filters: [{ preset: standard }, { type: tagger, before: telemetry }]',
      standard.flatMap((name) => (name === 'telemetry' ? ['tagger', name] : [name])),
    ],
    [
      'may be written out without a preset',
      'filters: [inference, tagger, upstream]',
      ['inference', 'tagger', 'upstream'],
    ],
    ['loses retry when it is off', 'resilience: { retry: off }', standard.filter((name) => name !== 'retry')],
    ['loses retry when it is false', 'resilience: { retry: false }', standard.filter((name) => name !== 'retry')],
  ];
  for (const [name, text, expected] of cases) {
    it(name, async () => assert.deepEqual(await chainOf(text), expected));
  }

  const mistakes: readonly (readonly [string, string, RegExp])[] = [
    [
      'an unknown type',
      'filters: [{ preset: standard }, crs]',
      /1:33 filters\[1\]\.type: no filter "crs" \(did you mean "cors"\?\)/,
    ],
    [
      'a type that is still to come',
      'filters: [{ preset: standard }, budget]',
      /the filter "budget" is not built yet; there are/,
    ],
    [
      'the same name twice',
      'filters: [tagger, tagger, upstream]',
      /filters\[1\]\.name: the name "tagger" stands twice/,
    ],
    [
      'a missing anchor',
      'filters: [{ preset: standard }, { type: tagger, after: modle }]',
      /filters\[1\]\.after: no filter "modle" .*did you mean "model"/,
    ],
    [
      'a need that is met only below',
      'filters: [model, inference, upstream]',
      /"model" needs inference_request: "inference" gives it, but stands below/,
    ],
    [
      'a need that nobody meets',
      'filters: [model, upstream]',
      /"model" needs inference_request: no filter of the chain gives it/,
    ],
    [
      'a terminal filter in the middle',
      'filters: [upstream, tagger]',
      /filters\[0\]: "upstream" ends the chain: it must stand last/,
    ],
    [
      'a match on a filter that the rest of the chain depends on',
      'filters: [{ preset: standard }, { name: upstream, match: { paths: [/x] } }]',
      /filters\[1\]\.match: the filters below "upstream" depend on it: it takes no match/,
    ],
    [
      'a match on models above inference',
      'filters: [{ preset: standard }, { type: tagger, match: { models: [x] } }]',
      /filters\[1\]\.match\.models: is known only below the filter "inference"/,
    ],
    [
      'settings beside a preset',
      'filters: [{ preset: standard, config: {} }]',
      /filters\[0\]\.config: has no effect beside preset/,
    ],
    [
      'limits without the filter',
      'filters: [{ preset: minimal }]\nlimits: { concurrency: 5 }',
      /limits\.concurrency: has no effect: the chain has no filter "admission"/,
    ],
    [
      'priority classes, which are to come',
      'limits: { priority: { default_max_class: default } }',
      /limits\.priority: .*not built yet/,
    ],
    [
      'auth settings without the filter',
      'filters: [{ preset: minimal }]\nauth: { api_key: abcdef }',
      /2:7\s+auth: has no effect: the chain has no filter "auth"/,
    ],
  ];
  for (const [name, text, expected] of mistakes) {
    it(`refuses ${name}`, async () => assert.match(await errorsOf(text), expected));
  }
});

describe('the config of a filter', () => {
  async function configOf(text: string, name: string): Promise<unknown> {
    const { config } = await loadText(text);
    return config.filters.find((filter) => filter.name === name)?.parsed;
  }

  it('starts with the block of the same name and is overlaid by its own', async () => {
    const text = [
      'resilience: { retry: { attempts: 7, backoff: { initial: 1s, max: 9s } } }',
      'filters: [{ preset: standard }, { name: retry, config: { backoff: { max: 2s } } }]',
    ].join('\n');
    assert.deepEqual(await configOf(text, 'retry'), {
      attempts: 7,
      backoff: { initial: '1s', max: '2s', factor: 1.5, jitter: 0.2 },
    });
  });

  it('takes limits and tenants from their blocks, shorthand included', async () => {
    const text = [
      'limits:',
      '  concurrency: 64',
      '  rate: 50/s',
      '  address: { requests: 5/s, burst: 9 }',
      '  tenants: { default: { requests: 600/min } }',
      'tenants: { header: { trust: true } }',
    ].join('\n');
    assert.deepEqual(await configOf(text, 'admission'), { max: 64 });
    assert.deepEqual(await configOf(text, 'rate_limit'), {
      global: { requests: '50/s' },
      address: { requests: '5/s', burst: 9 },
      tenants: { default: { requests: '600/min' } },
      identity: { header: { trust: true } },
    });
    assert.deepEqual(await configOf('limits: { concurrency: off, rate: off }', 'admission'), {});
    assert.deepEqual(await configOf('limits: { concurrency: auto }', 'admission'), { max: 'auto' });
  });

  it('has a cap on concurrency under `defaults: smg`, which bounds the burst of the rate', async () => {
    assert.deepEqual(await configOf('defaults: smg', 'admission'), { max: 'auto' });
    assert.deepEqual(await configOf('{ defaults: smg, limits: { concurrency: off } }', 'admission'), {});
    const text = '{ defaults: smg, limits: { concurrency: 30, rate: 5/s } }';
    assert.deepEqual(await configOf(text, 'rate_limit'), { global: { requests: '5/s', burst: 30 } });
    assert.deepEqual(await configOf('{ defaults: smg, limits: { rate: 5/s } }', 'rate_limit'), {
      global: { requests: '5/s' },
    });
    assert.deepEqual((await chainOf('{ defaults: smg, filters: [{ preset: minimal }] }')).includes('admission'), false);
  });

  it('takes request ids, aliases and the access log from their blocks', async () => {
    const text =
      'telemetry: { request_id: { headers: [x-a] }, logs: { access: false } }\nmodels: { aliases: { a: b } }';
    assert.deepEqual(await configOf(text, 'request_id'), { headers: ['x-a'] });
    assert.deepEqual(await configOf(text, 'telemetry'), { access_log: false });
    assert.deepEqual(await configOf(text, 'model'), { aliases: { a: 'b' }, routes: [] });
  });

  it('of model holds the routes', async () => {
    const text =
      'clusters: [http://a:1]\nroutes: [{ cluster: default, match: { models: [x] }, filters: { retry: {} } }]';
    assert.deepEqual(await configOf(text, 'model'), {
      aliases: {},
      routes: [{ name: 'route_1', cluster: 'default', match: { models: ['x'] } }],
    });
  });

  it('has its errors at the place where the value was written, block or entry', async () => {
    assert.equal(
      await errorsOf('auth: { api_key: abcdef, mode: maks }'),
      'gateway.yaml:1:32 auth.mode: "maks" is not one of mask, drop, hash (did you mean "mask"?)',
    );
    assert.equal(
      await errorsOf('filters: [{ preset: standard }, { type: tagger, config: { siez: 1 } }]'),
      'gateway.yaml:1:59 filters[1].config.siez: unknown key (did you mean "size"?)',
    );
  });

  async function changesOf(text: string): Promise<unknown[] | undefined> {
    const { config } = await loadText(text);
    return config.routes[0]?.filters.map((change) => [change.name, change.disabled, change.config, change.parsed]);
  }

  it('can be changed per route', async () => {
    const text = [
      'clusters: [http://a:1]',
      'filters: [{ preset: standard }, { type: tagger, after: model, config: { tag: t, size: 1 } }]',
      'routes: [{ cluster: default, filters: { tagger: { config: { size: 2 } }, retry: { disabled: true } } }]',
    ].join('\n');
    assert.deepEqual(await changesOf(text), [
      ['tagger', false, { size: 2 }, { tag: 't', size: 2 }],
      ['retry', true, undefined, undefined],
    ]);
  });

  it('of retry is changed by the key retry of a route, too', async () => {
    const base = 'clusters: [http://a:1]\nresilience: { retry: { attempts: 7, backoff: { max: 9s } } }\n';
    const backoff = { initial: '50ms', max: '9s', factor: 1.5, jitter: 0.2 };
    const off = ['retry', true, undefined, undefined];
    for (const [route, expected] of [
      ['retry: { attempts: 2 }', ['retry', false, { attempts: 2 }, { attempts: 2, backoff }]],
      ['retry: off', off],
      ['retry: false', off],
      ['filters: { retry: off }', off],
      ['filters: { retry: off }, retry: { attempts: 3 }', ['retry', false, { attempts: 3 }, { attempts: 3, backoff }]],
    ] as const) {
      assert.deepEqual(await changesOf(`${base}routes: [{ cluster: default, ${route} }]`), [expected], route);
    }
  });

  it('of fallback is changed by the key fallback of a route: clusters in their order, settings, or off', async () => {
    const base = 'clusters: [{ name: a, workers: [http://a:1] }, { name: b, workers: [http://b:1] }]\n';
    const target = { cluster: 'b', model: 'm' };
    for (const [route, disabled, config] of [
      ['fallback: [b]', false, { to: ['b'], rules: [] }],
      ['fallback: b', false, { to: ['b'], rules: [] }],
      ['fallback: [{ cluster: b, model: m }, a]', false, { to: [target, 'a'], rules: [] }],
      ['fallback: { to: [b], first_token: 5s }', false, { to: ['b'], first_token: '5s' }],
      ['fallback: off', true, undefined],
    ] as const) {
      const { config: whole } = await loadText(`${base}routes: [{ cluster: a, ${route} }]`);
      const [change] = whole.routes[0]?.filters ?? [];
      assert.deepEqual([change?.name, change?.disabled, change?.config], ['fallback', disabled, config], route);
      const model = whole.filters.find(({ name }) => name === 'model')?.config as {
        routes: { may_lack_model?: true }[];
      };
      assert.equal(model.routes[0]?.may_lack_model, disabled ? undefined : true, route);
    }
    assert.match(
      await errorsOf(`${base}routes: [{ cluster: a, fallback: [bccd] }]`),
      /^gateway\.yaml:2:35 routes\[0\]\.fallback\[0\]: no cluster "bccd"$/,
    );
  });
});
