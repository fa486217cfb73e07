import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ConfigErrors } from './config-errors.js';
import { parseFlags } from './flags.js';
import { loadConfig } from './loader.js';
import { errorsOf, loadText } from './testing/load-text.js';
import { createStubCatalog } from './testing/stub-catalog.js';

describe('a configuration', () => {
  it('needs nothing but workers', async () => {
    const { config } = await loadText('clusters: [http://w1:8000, http://w2:8000/]');
    const [cluster] = config.clusters;
    assert.equal(cluster?.name, 'default');
    assert.deepEqual(
      cluster?.workers.map(({ url }) => url),
      ['http://w1:8000', 'http://w2:8000'],
    );
    assert.deepEqual(cluster?.policy.type, 'power_of_two');
    assert.deepEqual(
      config.listeners.map(({ name, host, port }) => [name, host, port]),
      [['main', '0.0.0.0', 30_000]],
    );
    assert.deepEqual(cluster?.timeouts, { connect: 10_000, first_byte: 120_000, idle: 300_000, request: 1_800_000 });
  });

  it('takes a provider for a worker at its own address, or at another one', async () => {
    const yaml =
      'clusters: [{ name: a, provider: Claude, api_key: k1 }, { name: b, provider: groq, url: "https://h/openai/v1/" }]';
    const { config } = await loadText(yaml);
    const shown = config.clusters.map(({ workers }) => workers.map(({ url, api_key: key }) => [url, key?.reveal()]));
    assert.deepEqual(shown, [[['https://api.anthropic.com', 'k1']], [['https://h/openai/v1', undefined]]]);
  });

  it('means the same in shorthand and written out', async () => {
    const short = await loadText('listeners: [8080]\nclusters: [http://w1:1]\npolicies: { p: random }\nauth: abcdef');
    const long = await loadText(
      [
        'version: 1',
        'listeners: [{ name: main, port: 8080, host: 0.0.0.0, limits: { body: 512MiB } }]',
        'clusters: [{ name: default, workers: [{ url: "http://w1:1", priority: 50 }], health: { every: 10s } }]',
        'policies: { p: { type: random } }',
        'auth: { api_key: abcdef }',
      ].join('\n'),
    );
    const comparable = (config: typeof short.config) =>
      JSON.stringify({ ...config, filters: config.filters.map(({ origin, ...rest }) => rest) });
    assert.equal(comparable(short.config), comparable(long.config));
  });

  it('keeps a listener for clients beside those for probes, whatever their order', async () => {
    const places = async (text: string, ...overrides: string[]): Promise<unknown> => {
      const flagsPatch = parseFlags(overrides).patch;
      const { config } = await loadText(`${text}\nclusters: [http://a:1]\n`, { flagsPatch });
      return config.listeners.map(({ kind, name, port }) => [kind, name, port]);
    };
    const main = (port: number): unknown => ['http', 'main', port];
    const probe = ['probe', 'probe', 8081];
    assert.deepEqual(await places('listeners: [{ kind: probe, port: 8081 }]'), [main(30_000), probe]);
    assert.deepEqual(await places('', '--health-check-port', '8081'), [main(30_000), probe]);
    assert.deepEqual(await places('', '--health-check-port', '8081', '--port', '80'), [probe, main(80)]);
    assert.deepEqual(await places('listeners: [80]', '--health-check-port', '8081'), [main(80), probe]);
    const own = 'listeners: [{ kind: probe, port: 8081 }, { name: web, port: 80 }]';
    assert.deepEqual(await places(own, '--port', '81'), [probe, ['http', 'web', 81]]);
  });

  it('is frozen all the way down', async () => {
    const { config } = await loadText('clusters: [http://w1:1]');
    assert.throws(() => {
      (config.clusters[0]?.timeouts as { connect: number }).connect = 1;
    }, TypeError);
    assert.ok(Object.isFrozen(config.clusters) && Object.isFrozen(config.filters[0]?.config));
  });

  it('may be empty, or hold headings with nothing below', async () => {
    const { clusters } = (await loadText('')).config;
    assert.deepEqual(
      clusters.map(({ name, workers }) => [name, workers.length]),
      [['default', 0]],
    );
    assert.equal((await loadText('clusters:\nfilters:\nauth:\n')).config.filters.length, 14);
  });

  it('has anchors, merge keys and free keys', async () => {
    const text = [
      'x-base: &base { connect: 1s, idle: 9s }',
      'clusters:',
      '  - { name: a, workers: [http://a:1], timeouts: *base }',
      '  - { name: b, workers: [http://b:1], timeouts: { <<: *base, idle: 2s } }',
    ].join('\n');
    const { config } = await loadText(text);
    const times = config.clusters.map(({ timeouts }) => [timeouts.connect, timeouts.idle]);
    assert.deepEqual(times, [
      [1000, 9000],
      [1000, 2000],
    ]);
  });

  it('passes models and keys of a cluster on to its workers', async () => {
    const text =
      'clusters: [{ api_key: cluster-key, models: [m], workers: ["http://a:1", { url: "http://b:1", models: [n], api_key: own-key }] }]';
    const workers = (await loadText(text)).config.clusters[0]?.workers ?? [];
    assert.deepEqual(
      workers.map(({ models, api_key }) => [models, api_key?.reveal()]),
      [
        [['m'], 'cluster-key'],
        [['n'], 'own-key'],
      ],
    );
  });

  it('finds policies by name and takes them written out', async () => {
    const text = [
      'policies: { mine: { type: power_of_two, choices: 3 } }',
      'clusters: [{ name: a, policy: mine }, { name: b, policy: { type: power_of_two, choices: 4 } }, { name: c, policy: random }]',
    ].join('\n');
    const { config } = await loadText(text);
    assert.deepEqual(
      config.clusters.map(({ policy }) => [policy.name, policy.type, policy.parsed]),
      [
        ['mine', 'power_of_two', { choices: 3 }],
        ['power_of_two', 'power_of_two', { choices: 4 }],
        ['random', 'random', {}],
      ],
    );
  });

  it('takes how workers go from resilience, for each cluster, in short and in full', async () => {
    const drains = async (...lines: string[]): Promise<unknown[]> =>
      (await loadText(lines.join('\n'))).config.clusters.map(({ drain }) => drain);
    const two = 'clusters: [{ name: a, workers: [http://a] }, { name: b, workers: [http://b], drain: ';
    assert.deepEqual(await drains(`${two}1s }]`), [
      { settle: 0, timeout: 0 },
      { settle: 1_000, timeout: 0 },
    ]);
    assert.deepEqual(await drains('resilience: { drain: { settle: 5s, timeout: 10m } }', `${two}{ timeout: 20s } }]`), [
      { settle: 5_000, timeout: 600_000 },
      { settle: 5_000, timeout: 20_000 },
    ]);
    assert.deepEqual(await drains('resilience: { drain: 7s }', `${two}off }]`), [{ settle: 7_000, timeout: 0 }, 'off']);
    assert.deepEqual(await drains('defaults: smg', `${two}0 }]`), [
      { settle: 5_000, timeout: 0 },
      { settle: 0, timeout: 0 },
    ]);
  });

  it('inherits health checks from resilience, and may switch them off', async () => {
    const text = [
      'resilience: { health: { every: 3s, path: /ping } }',
      'clusters: [{ name: a, health: { path: /own } }, { name: b }, { name: c, health: off }, { name: d, health: false }]',
    ].join('\n');
    const { config } = await loadText(text);
    const health = config.clusters.map((cluster) =>
      cluster.health === 'off' ? 'off' : [cluster.health.every, cluster.health.path],
    );
    assert.deepEqual(health, [[3000, '/own'], [3000, '/ping'], 'off', 'off']);
  });

  it('has other defaults for an SMG command line', async () => {
    const smg = (await loadText('clusters: [http://a:1]', { defaults: 'smg' })).config;
    const standard = (await loadText('clusters: [http://a:1]')).config;
    const facts = (config: typeof smg): unknown[] => {
      const [cluster] = config.clusters;
      const { prometheus } = config.telemetry.metrics;
      return [
        cluster?.health === 'off' || cluster?.health.every,
        config.telemetry.logs.format,
        prometheus === 'off' || prometheus.host,
      ];
    };
    assert.deepEqual(facts(standard), [10_000, 'auto', '127.0.0.1']);
    assert.deepEqual(facts(smg), [60_000, 'text', '0.0.0.0']);
    assert.deepEqual(facts((await loadText('defaults: smg\nclusters: [http://a:1]')).config), facts(smg));
    const v6 = (await loadText('listeners: [{ host: "::1" }]', { defaults: 'smg' })).config.telemetry.metrics
      .prometheus;
    assert.equal(v6 === 'off' || v6.host, '::');
  });
});

describe('errors', () => {
  it('are all reported at once, each at its place', async () => {
    const text = [
      'listeners:',
      '  - port: 30000',
      '    limits: { body: 512 }',
      'clusters:',
      '  - name: llama',
      '    polcy: round_robin',
      '    workers: [http://w1:8000]',
      'routes:',
      '  - cluster: lama',
      'auth: { mode: maks }',
      'storage: { backend: memory }',
    ].join('\n');
    assert.equal(
      await errorsOf(text),
      [
        'gateway.yaml:3:21 listeners[0].limits.body: 512 needs a unit, like 64KiB',
        'gateway.yaml:6:5  clusters[0].polcy: unknown key (did you mean "policy"?)',
        'gateway.yaml:9:14 routes[0].cluster: no cluster "lama" (did you mean "llama"?)',
        'gateway.yaml:10:15 auth.mode: "maks" is not one of mask, drop, hash (did you mean "mask"?)',
        'gateway.yaml:11:1 storage: is not built yet',
      ]
        .map((line) => line.replace(/^(\S+)\s+/, (_, place: string) => `${place.padEnd(18)} `))
        .join('\n'),
    );
  });

  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['a duplicate key', 'auth: a\nauth: b', /^gateway\.yaml:2:1 the same key stands twice/],
    ['broken YAML', 'a: [1,\nb: 2', /^gateway\.yaml:\d:\d/],
    ['a list at the top', '- a', /the file must hold a map/],
    ['two documents', 'version: 1\n---\nversion: 1', /^gateway\.yaml:2:1/],
    ['an unknown alias', 'auth: *gone', /gone/],
    ['an anchor inside itself', 'x-a: &a [*a]', /stands inside its own anchor|gone|no anchor/],
    ['tags', 'version: !mine 1', /tag !mine is not supported/],
    ['__proto__', 'models: { aliases: { __proto__: x } }', /__proto__ is not allowed/],
    ['another version', 'version: 2', /1:10 version: 2 is not 1/],
    ['text for a number', 'listeners: [{ port: eighty }]', /1:21 listeners\[0\]\.port: must be a number, not "eighty"/],
    ['a quoted number', 'listeners: [{ port: "80" }]', /must be a number, not "80"/],
    ['a fraction for a count', 'listeners: [{ port: 80.5 }]', /80\.5 is not a whole number/],
    ['a port out of range', 'listeners: [70000]', /must be at most 65535/],
    ['nothing where something is needed', 'routes: [{ match: {} }]', /1:10 routes\[0\]\.cluster: is required/],
    ['a map for a list', 'routes: {}', /1:9 routes: must be a list, not a map/],
    [
      'an unknown policy',
      'clusters: [{ policy: round_robbin }]',
      /no policy "round_robbin" \(did you mean "round_robin"\?\)/,
    ],
    [
      'a planned policy',
      'clusters: [{ policy: cache_aware }]',
      /policy "cache_aware" is not built yet; there are round_robin/,
    ],
    ['an unknown engine', 'clusters: [{ engine: { type: smi } }]', /no engine "smi" \(did you mean "sim"\?\)/],
    [
      'bad engine settings',
      'clusters: [{ engine: { type: sim, config: { model: x } } }]',
      /engine\.config\.model: unknown key \(did you mean "models"\?\)/,
    ],
    ['an unknown backend', 'clusters: [{ workers: [{ url: "http://a:1", backend: x }] }]', /no backend "x"/],
    [
      'a drain that ends before it is seen',
      'resilience: { drain: { settle: 9s, timeout: 5s } }\nclusters: [http://a]',
      /drain\.timeout: must be at least `settle`, or 0/,
    ],
    ['a planned key', 'clusters: [{ name: a, http2: true }]', /1:23 clusters\[0\]\.http2: is not built yet/],
    [
      'a provider without a known address',
      'clusters: [{ name: a, provider: groq }]',
      /1:33 clusters\[0\]\.provider: the address of "groq" is not known: write url/,
    ],
    [
      'a provider that wants more than a key',
      'clusters: [{ name: a, provider: bedrock }]',
      /clusters\[0\]\.provider: Amazon Bedrock wants requests signed with AWS Signature Version 4, which is not built/,
    ],
    [
      'the address of one',
      'clusters: [https://us-east5-aiplatform.googleapis.com]',
      /clusters\[0\]: Vertex AI wants OAuth 2 tokens/,
    ],
    [
      'an address beside workers',
      'clusters: [{ name: a, provider: openai, url: "https://h", workers: [https://g] }]',
      /clusters\[0\]\.url: the cluster has workers: write the address there/,
    ],
    [
      'a time limit of a route without a unit',
      'clusters: [http://a:1]\nroutes: [{ cluster: default, timeouts: { idle: 5 } }]',
      /2:\d+ routes\[0\]\.timeouts\.idle: /,
    ],
    [
      'a time limit of a route that is none',
      'clusters: [http://a:1]\nroutes: [{ cluster: default, timeouts: { first_bite: 5s } }]',
      /routes\[0\]\.timeouts\.first_bite: unknown key \(did you mean "first_byte"\?\)/,
    ],
    ['per-model settings', 'models: { llama: { tokenizer: x } }', /models\.llama\.tokenizer: is not built yet/],
    ['a planned scheme', 'clusters: [grpc://a:1]', /workers behind grpc:\/\/ are not built yet/],
    [
      'a name twice',
      'clusters: [{ name: a }, { name: a }]',
      /1:33 clusters\[1\]\.name: the name "a" is already used at gateway\.yaml:1:20/,
    ],
    [
      'a worker twice',
      'clusters: [http://a:1, http://a:1/]',
      /1:24 clusters\[1\]: the worker is already listed at gateway\.yaml:1:12/,
    ],
    [
      'two listeners on one port',
      'listeners: [{ port: 81 }, { host: 127.0.0.1, port: 81 }]',
      /port 81 is already taken by listener "main"/,
    ],
    [
      'a probe listener without a port',
      'listeners: [{ kind: probe }]',
      /listeners\[0\]: a probe listener needs a port/,
    ],
    [
      'settings that a probe listener has not',
      'listeners: [80, { kind: probe, port: 81, limits: { body: 1MiB } }]',
      /1:42 listeners\[1\]\.limits: a probe listener speaks plain HTTP and has no such setting/,
    ],
    [
      'metrics on the port of a listener',
      'listeners: [29000]\ntelemetry: { metrics: { prometheus: {} } }',
      /port 29000 is already taken/,
    ],
    [
      'a listener with the name of that of administration',
      'listeners: [{ name: admin }]\nadmin: { listener: {} }',
      /listeners\[0\]\.name: the name "admin" belongs to admin\.listener/,
    ],
    [
      'two sockets on one port',
      'listeners: [{ port: 30001 }]\nadmin: { listener: {} }',
      /port 30001 is already taken by listener "main"/,
    ],
    [
      'an unknown listener in a match',
      'clusters: [http://a:1]\nroutes: [{ cluster: default, match: { listeners: [mian] } }]',
      /no listener "mian" \(did you mean "main"\?\)/,
    ],
    [
      'a change of a filter that is not there',
      'clusters: [http://a:1]\nroutes: [{ cluster: default, filters: { auht: {} } }]',
      /no filter "auht" in the chain \(did you mean "auth"\?\)/,
    ],
    ['an alias of an alias', 'models: { aliases: { a: b, b: c } }', /models\.aliases\.a: "b" is an alias itself/],
    [
      'a path for a certificate',
      'listeners: [{ tls: { cert: /a.crt, key: /a.key } }]',
      /is not a PEM certificate; to read it from a file write \$file/,
    ],
    ['a wrong breaker', 'resilience: { circuit_breaker: { failures: 0 } }', /circuit_breaker\.failures/],
    ['a wrong limit of load', 'resilience: { overload: { kv_usage: 1.5 } }', /overload\.kv_usage/],
    [
      'a wrong retry block',
      'resilience: { retry: { attempt: 2 } }',
      /1:24 resilience\.retry\.attempt: unknown key \(did you mean "attempts"\?\)/,
    ],
  ];
  for (const [name, text, expected] of cases) {
    it(`name ${name}`, async () => assert.match(await errorsOf(text), expected));
  }

  it('bound depth and the expansion of aliases', async () => {
    const levels = Array.from({ length: 9 }, (_, i) => `x-${i}: &a${i} [${`*a${i - 1},`.repeat(i === 0 ? 0 : 9)}1]`);
    assert.match(await errorsOf(levels.join('\n')), /more than 100000 values/);
    assert.match(await errorsOf(`x-a: ${'['.repeat(100)}${']'.repeat(100)}`), /nested deeper than 64/);
    assert.match(await errorsOf(`x-a: ${'['.repeat(20_000)}${']'.repeat(20_000)}`), /nested deeper/);
  });

  it('say that a file is missing', async () => {
    const source = { file: 'nowhere.yaml', env: {}, cwd: tmpdir(), defaults: 'standard' } as const;
    await assert.rejects(loadConfig(source, createStubCatalog()), (error: ConfigErrors) => {
      assert.equal(error.message, 'nowhere.yaml no such file');
      assert.deepEqual(error.watchedFiles, [join(tmpdir(), 'nowhere.yaml')]);
      return true;
    });
  });

  it('of a plugin package stand at plugins', async () => {
    const listing = await errorsOf('plugins:\n  - "@acme/gone"', {
      catalog: async () => {
        throw new Error('@acme/gone is not installed');
      },
    });
    assert.equal(listing, 'gateway.yaml:2:3 plugins: @acme/gone is not installed');
  });
});

describe('includes', () => {
  it('lie below the file that names them', async () => {
    const { config, watchedFiles } = await loadText(
      'include: [base.yaml]\nclusters: [{ name: a, policy: random }]\ntelemetry: { logs: { level: debug } }',
      {
        files: {
          'base.yaml':
            'telemetry: { logs: { level: warn, access: false } }\nclusters: [{ name: a, workers: [http://a:1], policy: round_robin }, { name: b, workers: [http://b:1] }]',
        },
      },
    );
    assert.deepEqual(
      config.clusters.map(({ name, policy, workers }) => [name, policy.name, workers.length]),
      [
        ['a', 'random', 1],
        ['b', 'power_of_two', 1],
      ],
    );
    assert.deepEqual([config.telemetry.logs.level, config.telemetry.logs.access], ['debug', false]);
    assert.deepEqual(
      watchedFiles.map((file) => file.split('/').at(-1)),
      ['gateway.yaml', 'base.yaml'],
    );
  });

  it('may be globs, merged in the order of their names', async () => {
    const files = {
      'c-1.yaml': 'clusters: [{ name: a, models: [x] }]',
      'c-2.yaml': 'clusters: [{ name: a, models: [y] }]',
    };
    const { config } = await loadText('include: "c-*.yaml"', { files });
    assert.deepEqual(
      config.clusters.map(({ models }) => models),
      [['y']],
    );
  });

  it('that match nothing are a warning when they are globs, an error otherwise', async () => {
    const { warnings } = await loadText('include: "none-*.yaml"');
    assert.ok(warnings.includes('include none-*.yaml: no file matches'));
    assert.equal(await errorsOf('include: none.yaml'), 'gateway.yaml:1:10 include: none.yaml: no such file');
  });

  it('report errors in the file where they are', async () => {
    const listing = await errorsOf('include: other.yaml\nversion: 3', {
      files: { 'other.yaml': '\n\nclusters: [{ nam: a }]' },
    });
    assert.match(listing, /^gateway\.yaml:2:10 version: 3 is not 1$/m);
    assert.match(listing, /^other\.yaml:3:14\s+clusters\[0\]\.nam: unknown key \(did you mean "name"\?\)$/m);
  });

  it('that go round in circles are refused', async () => {
    const listing = await errorsOf('include: a.yaml', { files: { 'a.yaml': 'include: gateway.yaml' } });
    assert.equal(listing, 'a.yaml:1:10 include: files include each other: gateway.yaml → a.yaml → gateway.yaml');
  });
});

describe('the environment', () => {
  it('lies over the files, by path', async () => {
    const { config } = await loadText(
      'listeners: [{ name: main, port: 1 }, { name: two, port: 2 }]\nclusters: [http://a:1]',
      {
        env: {
          GATEWAY__TELEMETRY__LOGS__LEVEL: 'debug',
          GATEWAY__LISTENERS__MAIN__PORT: '81',
          SMG__LISTENERS__1__PORT: '82',
          GATEWAY__CLUSTERS__DEFAULT__MODELS: '[x, y]',
          GATEWAY__CLUSTERS__DEFAULT__HEALTH: 'off',
          UNRELATED: 'x',
        },
      },
    );
    assert.equal(config.telemetry.logs.level, 'debug');
    assert.deepEqual(
      config.listeners.map(({ port }) => port),
      [81, 82],
    );
    assert.deepEqual([config.clusters[0]?.models, config.clusters[0]?.health], [['x', 'y'], 'off']);
  });

  it('is named in errors', async () => {
    assert.equal(
      await errorsOf('{}', { env: { GATEWAY__TELEMETRY__LOGS__LEVL: 'debug' } }),
      'GATEWAY__TELEMETRY__LOGS__LEVL telemetry.logs.levl: unknown key (did you mean "level"?)',
    );
  });
});

describe('warnings', () => {
  it('name a gateway that is open to the network, and clusters without workers', async () => {
    const { warnings } = await loadText('clusters: [{ name: idle }]');
    assert.deepEqual(warnings, [
      'listener "main" on 0.0.0.0 is open: no auth.api_key is set',
      'administration endpoints (/workers) on listener "main" at 0.0.0.0 answer 403, since nothing protects them: set ' +
        'auth.admin.keys (or auth.api_key), or give them a listener of their own with admin.listener',
      'cluster "idle" has no workers yet: add some to it, or with POST /workers',
    ]);
    assert.deepEqual((await loadText('listeners: [{ host: 127.0.0.1 }]\nclusters: [http://a:1]')).warnings, []);
  });
});

describe('a file with a byte order mark', () => {
  it('is read', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'smg-bom-'));
    try {
      await writeFile(join(cwd, 'a.yaml'), '\uFEFFversion: 1\n');
      const source = { file: 'a.yaml', env: {}, cwd, defaults: 'standard' } as const;
      assert.equal((await loadConfig(source, createStubCatalog())).config.version, 1);
    } finally {
      await rm(cwd, { recursive: true, force: true });
    }
  });
});
