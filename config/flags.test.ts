import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ConfigErrors } from './config-errors.js';
import { toPlain } from './config-node.js';
import { FLAGS } from './flag-table.js';
import { parseFlags } from './flags.js';
import { flagsToYaml } from './from-flags.js';
import type { GatewayConfig } from './gateway.js';
import { type LoadedConfig, loadConfig } from './loader.js';
import { createStubCatalog } from './testing/stub-catalog.js';

/** What a command line sets, by dotted path. */
function patchOf(...argv: string[]): Record<string, unknown> {
  const { patch, errors } = parseFlags(argv);
  assert.deepEqual(errors, []);
  return Object.fromEntries(patch.map(({ path, node }) => [path.join('.'), toPlain(node)]));
}

const WORKER = ['--worker-urls', 'http://a:1'];
const WORKER_PATCH = { 'clusters.cli.workers': ['http://a:1'] };

describe('flags', () => {
  const cases: readonly (readonly [readonly string[], Record<string, unknown>])[] = [
    [[], {}],
    [['--port', '8080'], { 'listeners.main.port': 8080 }],
    [['--port=8080'], { 'listeners.main.port': 8080 }],
    [['--host', '::1'], { 'listeners.main.host': '::1' }],
    [['--worker-urls', 'http://a:1', 'http://b:2'], { 'clusters.cli.workers': ['http://a:1', 'http://b:2'] }],
    [
      ['--worker-urls', 'http://a:1', '--worker-urls=http://b:2', '--log-json'],
      { 'clusters.cli.workers': ['http://a:1', 'http://b:2'], 'telemetry.logs.format': 'json' },
    ],
    [['--worker-urls'], { 'clusters.cli.workers': [] }],
    [[...WORKER, '--policy', 'random'], { ...WORKER_PATCH, 'clusters.cli.policy': 'random' }],
    [[...WORKER, '--request-timeout-secs', '60'], { ...WORKER_PATCH, 'clusters.cli.timeouts.request': '60s' }],
    [
      [...WORKER, '--upstream-pool-idle-timeout-secs', '0'],
      { ...WORKER_PATCH, 'clusters.cli.pool.idle_timeout': '0s' },
    ],
    [
      [
        ...WORKER,
        '--worker-startup-timeout-secs=600',
        '--worker-startup-delay=0',
        '--worker-startup-check-interval=30',
      ],
      {
        ...WORKER_PATCH,
        'clusters.cli.startup.timeout': '600s',
        'clusters.cli.startup.delay': '0s',
        'clusters.cli.startup.check_every': '30s',
      },
    ],
    [['--log-level', 'debug'], { 'telemetry.logs.level': 'debug' }],
    [['--prometheus-port', '0'], { 'telemetry.metrics.prometheus.port': 0 }],
    [['--prometheus-host', '127.0.0.1'], { 'telemetry.metrics.prometheus.host': '127.0.0.1' }],
    [['--request-id-headers', 'x-a', 'x-b'], { 'telemetry.request_id.headers': ['x-a', 'x-b'] }],
    [['--shutdown-grace-period-secs', '5'], { 'runtime.shutdown.grace': '5s' }],
    [['--health-check-port', '8081'], { 'listeners.probe': { name: 'probe', kind: 'probe', port: 8081 } }],
    [['--max-payload-size', '1024'], { 'listeners.main.limits.body': '1024B' }],
    [['--stream-body-stall-timeout-secs', '7'], { 'listeners.main.limits.body_stall_timeout': '7s' }],
    [['--header-read-timeout-secs', '7'], { 'listeners.main.limits.head_timeout': '7s' }],
    [['--idle-connection-timeout-secs', '7'], { 'listeners.main.limits.idle_timeout': '7s' }],
    [['--max-concurrent-requests', '-1'], { 'limits.concurrency.max': 'auto' }],
    [['--max-concurrent-requests=-7'], { 'limits.concurrency.max': 0 }],
    [['--max-concurrent-requests', '64'], { 'limits.concurrency.max': 64 }],
    [
      ['--queue-size', '0', '--queue-timeout-secs', '7'],
      { 'limits.concurrency.queue': 0, 'limits.concurrency.queue_timeout': '7s' },
    ],
    [['--rate-limit-tokens-per-second', '50'], { 'limits.rate': '50/s' }],
    [['--rate-limit-tokens-per-second', '0'], { 'limits.rate': 'off' }],
    [
      ['--trust-tenant-header', '--tenant-header-name', 'x-team'],
      { 'tenants.header.trust': true, 'tenants.header.name': 'x-team' },
    ],
    [['--cors-allowed-origins', '*'], { 'cors.allow_origins': ['*'] }],
    [['--cors-allowed-origins'], {}],
    [['--retry-max-retries', '3'], { 'resilience.retry.attempts': 3 }],
    [['--retry-initial-backoff-ms', '10'], { 'resilience.retry.backoff.initial': '10ms' }],
    [['--retry-max-backoff-ms', '10'], { 'resilience.retry.backoff.max': '10ms' }],
    [['--retry-backoff-multiplier', '2'], { 'resilience.retry.backoff.factor': 2 }],
    [['--retry-jitter-factor', '1e-1'], { 'resilience.retry.backoff.jitter': 0.1 }],
    [['--health-failure-threshold', '4'], { 'resilience.health.unhealthy_after': 4 }],
    [['--health-success-threshold', '4'], { 'resilience.health.healthy_after': 4 }],
    [['--health-check-timeout-secs', '4'], { 'resilience.health.timeout': '4s' }],
    [['--health-check-interval-secs', '4'], { 'resilience.health.every': '4s' }],
    [['--health-check-endpoint', '/up'], { 'resilience.health.path': '/up' }],
    [['--drain-settle-secs', '0'], { 'resilience.drain.settle': '0s' }],
    [['--enable-igw'], {}],
    [['--disable-circuit-breaker'], { 'resilience.circuit_breaker': 'off' }],
    [
      ['--cb-failure-threshold', '3', '--cb-success-threshold', '2'],
      { 'resilience.circuit_breaker.failures': 3, 'resilience.circuit_breaker.successes': 2 },
    ],
    [
      ['--cb-timeout-duration-secs', '7', '--cb-window-duration-secs', '60'],
      { 'resilience.circuit_breaker.open_for': '7s', 'resilience.circuit_breaker.window': '60s' },
    ],
    [
      ['--worker-overload-waiting-requests', '4', '--worker-overload-token-usage', '0.9', '--worker-overload-shed'],
      {
        'resilience.overload.waiting_requests': 4,
        'resilience.overload.kv_usage': 0.9,
        'resilience.overload.shed': true,
      },
    ],
    [['--disable-worker-overload-protection'], { 'resilience.overload': 'off' }],
    [
      ['--worker-stall-secs', '0', '--worker-stale-secs', '20', '--worker-wedge-secs', '4'],
      {
        'resilience.liveness.stall': '0s',
        'resilience.liveness.stale': '20s',
        'resilience.liveness.wedge': '4s',
      },
    ],
    [
      ['--load-monitor-interval', '5', '--disable-load-monitoring', '--worker-urls', 'http://a:1'],
      { ...WORKER_PATCH, 'clusters.cli.load.poll_every': '5s', 'clusters.cli.load.when': 'needed' },
    ],
    [
      ['--dp-minimum-tokens-scheduler', '--worker-urls', 'http://a:1'],
      { ...WORKER_PATCH, 'clusters.cli.dp.scheduler': 'min_tokens' },
    ],
    [['--worker-auto-recovery'], { 'resilience.health.remove_failed': true }],
    [['--remove-unhealthy-workers'], { 'resilience.health.remove_failed': true }],
    [['--no-worker-auto-recovery'], { 'resilience.health.remove_failed': false }],
    [['--model-alias', 'a=b', '--model-alias', 'c=d=e'], { 'models.aliases.a': 'b', 'models.aliases.c': 'd=e' }],
    [['--model-alias', 'a=b', 'c=d'], { 'models.aliases.a': 'b', 'models.aliases.c': 'd' }],
    [
      ['--tls-cert-path', 'c', '--tls-key-path', 'k'],
      { 'listeners.main.tls.cert': '$file:c', 'listeners.main.tls.key': '$file:k' },
    ],
    [['--set', 'telemetry.logs.access=false'], { 'telemetry.logs.access': 'false' }],
    [['--set', 'clusters.a.models=[x, y]'], { 'clusters.a.models': ['x', 'y'] }],
  ];
  for (const [argv, expected] of cases) {
    it(`smg ${argv.join(' ')}`, () => assert.deepEqual(patchOf(...argv), expected));
  }

  it('that switch something off win over its numbers, in any order', () => {
    const { patch } = parseFlags([
      '--disable-health-check',
      '--health-check-interval-secs',
      '4',
      '--disable-retries',
      '--retry-max-retries',
      '2',
    ]);
    const last = (path: string): unknown =>
      patch
        .filter((each) => each.path.join('.').startsWith(path))
        .map((each) => toPlain(each.node))
        .at(-1);
    assert.equal(last('resilience.health'), 'off');
    assert.equal(last('resilience.retry'), 'off');
  });

  it('name a file with -c, --config and --config=', () => {
    for (const argv of [['-c', 'a.yaml'], ['--config', 'a.yaml'], ['--config=a.yaml']])
      assert.equal(parseFlags(argv).file, 'a.yaml');
  });

  it('give one key to clients and workers, with a warning that does not show it', () => {
    const { patch, warnings } = parseFlags([...WORKER, '--api-key', 'marked-key']);
    const paths = patch.filter(({ node }) => toPlain(node) === 'marked-key').map(({ path }) => path.join('.'));
    assert.deepEqual(paths, ['auth.api_key', 'clusters.cli.api_key']);
    assert.equal(warnings.length, 2);
    assert.doesNotMatch(warnings.join(), /marked-key/);
  });

  it('name the certificates towards workers as files', () => {
    const argv = ['--ca-cert-paths', 'a.pem', 'b.pem', '--client-cert-path', 'c.pem', '--client-key-path', 'c.key'];
    const { patch, errors } = parseFlags([...WORKER, ...argv]);
    assert.deepEqual(errors, []);
    const values = patch.slice(1).map(({ path, node }) => [path.join('.'), toPlain(node)]);
    assert.deepEqual(values, [
      ['clusters.cli.tls.ca', ['$file:a.pem', '$file:b.pem']],
      ['clusters.cli.tls.cert', '$file:c.pem'],
      ['clusters.cli.tls.key', '$file:c.key'],
    ]);
  });

  it('name keys of tenants and administrators, which may hold colons and dollars', () => {
    const { patch, errors, warnings } = parseFlags(
      ['--tenant-api-key', 'red: marked:1 ', '--tenant-api-key=blue:$marked'].concat(
        ['--control-plane-api-keys', 'ops:Ops Team:Admin:marked:a:b', 'look::USER:marked-2'],
        ['--disable-audit-logging'],
      ),
    );
    assert.deepEqual(errors, []);
    const values = patch.map(({ path, node }) => [path.join('.'), toPlain(node)]);
    assert.deepEqual(values, [
      [
        'auth.tenants',
        [
          { id: 'red', key: 'marked:1' },
          { id: 'blue', key: '$marked' },
        ],
      ],
      [
        'auth.admin.keys',
        [
          { id: 'ops', name: 'Ops Team', role: 'admin', key: 'marked:a:b' },
          { id: 'look', name: '', role: 'user', key: 'marked-2' },
        ],
      ],
      ['auth.admin.audit', false],
    ]);
    assert.equal(warnings.length, 2);
    assert.doesNotMatch(warnings.join(), /marked/);
  });

  it('take keys of administrators from the environment, one a line, unless the flag is there', () => {
    const env = { CONTROL_PLANE_API_KEYS: 'a:A:admin:k1\n\nb:B:user:k2\n' };
    const ids = (argv: readonly string[]): unknown[] => {
      const keys = parseFlags(argv, env).patch.find(({ path }) => path.join('.') === 'auth.admin.keys');
      assert.ok(keys);
      assert.equal(keys.node.origin.source, argv.length === 0 ? 'env' : 'flag');
      return (toPlain(keys.node) as { id: string }[]).map(({ id }) => id);
    };
    assert.deepEqual(ids([]), ['a', 'b']);
    assert.deepEqual(ids(['--control-plane-api-keys', 'c:C:admin:k3']), ['c']);
    const wrong = parseFlags([], { CONTROL_PLANE_API_KEYS: 'MARKED' }).errors;
    assert.match(wrong.join(), /^CONTROL_PLANE_API_KEYS: takes ID:NAME:ROLE:KEY/);
    assert.doesNotMatch(wrong.join(), /MARKED/);
  });

  it('for workers have no effect without workers, and say so', () => {
    const { patch, unused } = parseFlags(['--policy', 'random', '--port', '81']);
    assert.deepEqual(
      patch.map(({ path }) => path.join('.')),
      ['listeners.main.port'],
    );
    assert.deepEqual(unused, ['--policy has no effect without --worker-urls']);
  });
});

describe('a command line that is wrong', () => {
  const cases: readonly (readonly [readonly string[], readonly RegExp[]])[] = [
    [['--worker-url', 'http://a'], [/^unknown flag --worker-url \(did you mean "--worker-urls"\?\)$/]],
    [
      ['--prot', '1', '--hots', 'x'],
      [/--prot .*"--port"/, /--hots .*"--host"/],
    ],
    [['--log-json=true'], [/^--log-json takes no value$/]],
    [['--log-json', 'true'], [/^unexpected argument "true"$/]],
    [['--port'], [/^--port needs a value$/]],
    [['--port', '--host', 'x'], [/^--port needs a value$/]],
    [['--port', '1', '--port', '2'], [/^--port cannot be used multiple times$/]],
    [['--port', '-1'], [/^--port: "-1" is not a whole number from 0 to 65535$/]],
    [['--port', '70000'], [/70000/]],
    [['--port', '80ms'], [/80ms/]],
    [['--retry-jitter-factor', 'x'], [/not a number/]],
    [['--log-level', 'trice'], [/not one of trace, debug/]],
    [['--request-timeout-secs', '0', ...WORKER], [/from 1 to/]],
    [['--worker-startup-timeout-secs', '0', ...WORKER], [/from 1 to/]],
    [['--worker-startup-check-interval', '0', ...WORKER], [/from 1 to/]],
    [['--worker-startup-delay', '-1', ...WORKER], [/from 0 to/]],
    [['--model-alias', 'a'], [/ALIAS=MODEL/]],
    [['--model-alias', 'a=a'], [/two different names/]],
    [['--model-alias'], [/needs a value/]],
    [['--set', 'x'], [/PATH=VALUE/]],
    [['--tls-cert-path', 'c'], [/^--tls-cert-path needs --tls-key-path$/]],
    [[...WORKER, '--client-key-path', 'c'], [/^--client-key-path needs --client-cert-path$/]],
    [['-c'], [/^-c needs the name of a file$/]],
    [['-x'], [/^unknown flag -x/]],
    [['extra'], [/^unexpected argument "extra"$/]],
    [['--log-dir', '/var/log', '--port', '80'], [/^--log-dir: log files is not built yet$/]],
    [['--priority-scheduler-enabled'], [/^--priority-scheduler-enabled: the priority scheduler is not built yet$/]],
    [['--queue-size', '-1'], [/^--queue-size: "-1" is not a whole number from 0/]],
    [['--rate-limit-tokens-per-second', '-1'], [/from 0 to/]],
    [['--cache-match-threshold', '0.3'], [/^--cache-match-threshold: .*routing is not built yet$/]],
    [
      ['--prefill', 'http://p', '9001', '--decode', 'http://d'],
      [/--prefill: /, /--decode: /],
    ],
    [
      ['--selector', 'a=b', 'c=d', '--service-discovery'],
      [/--selector/, /--service-discovery/],
    ],
    [
      ['--discovery-provider', 'kubernetes', '--discovery-file', 'f'],
      [/^--discovery-provider: "kubernetes" is not built/],
    ],
    [['--discovery-provider', 'file'], [/^--discovery-provider needs --discovery-file$/]],
    [['--discovery-check-interval-secs', '5'], [/^--discovery-check-interval-secs needs --discovery-file$/]],
    [['--tenant-api-key', 'MARKED'], [/^--tenant-api-key: takes TENANT:KEY; .*not shown/]],
    [['--tenant-api-key'], [/needs a value/]],
    [['--control-plane-api-keys', 'a:b:MARKED'], [/^--control-plane-api-keys: takes ID:NAME:ROLE:KEY/]],
    [['--control-plane-api-keys', 'a:b:root:MARKED'], [/with the role admin or user/]],
    [['--jwt-issuer', 'https://idp'], [/^--jwt-issuer: control-plane auth by JWT is not built yet$/]],
    [['--stream-request-bodies-over', '1'], [/gone since SMG 1\.13/]],
  ];
  for (const [argv, expected] of cases) {
    it(`smg ${argv.join(' ')}`, () => {
      const { errors } = parseFlags(argv);
      assert.equal(errors.length, expected.length, errors.join('\n'));
      for (const [index, pattern] of expected.entries()) assert.match(errors[index] as string, pattern);
      assert.doesNotMatch(errors.join(), /MARKED/);
    });
  }

  it('a list of workers makes the cluster of the command line, in any order of its flags', () => {
    const argv = ['--discovery-file', 'w.json', '--discovery-check-interval-secs=5', '--discovery-provider', 'file'];
    for (const flags of [argv, [...argv.slice(3), ...argv.slice(0, 3)]]) {
      const { patch, errors, unused } = parseFlags([...flags, '--policy', 'random']);
      assert.deepEqual([errors, unused], [[], []]);
      const values = patch.map(({ path, node }) => [path.join('.'), node.kind === 'scalar' ? node.value : undefined]);
      assert.deepEqual(values, [
        ['clusters.cli.discovery.file.path', 'w.json'],
        ['clusters.cli.discovery.file.check_interval', '5s'],
        ['clusters.cli.policy', 'random'],
      ]);
    }
  });

  it('has every flag of SMG refused by name or at work, each spelling once', () => {
    const names = FLAGS.flatMap((flag) => [flag.name, ...(flag.aliases ?? [])]);
    assert.equal(new Set(names).size, names.length);
    for (const flag of FLAGS.filter(({ status }) => status === 'planned')) {
      const values = flag.takes === 'none' ? [] : ['1'];
      const { errors, patch } = parseFlags([flag.name, ...values]);
      assert.deepEqual(errors, [`${flag.name}: ${flag.help} is not built yet`]);
      assert.deepEqual(patch, []);
    }
  });
});

/** Everything that a run would see, secrets included. */
function comparable(config: GatewayConfig): unknown {
  const filters = config.filters.map(({ name, type, parsed }) => ({ name, type, parsed }));
  const keys = config.clusters.map((cluster) => cluster.workers.map((worker) => worker.api_key?.reveal()));
  return JSON.parse(JSON.stringify({ ...config, filters, keys }));
}

async function load(cwd: string, argv: readonly string[], file?: string, env = {}): Promise<LoadedConfig> {
  const { patch, defaults } = parseFlags(argv);
  return loadConfig(
    { file, flagsPatch: patch, env, cwd, defaults: file === undefined ? defaults : 'standard' },
    createStubCatalog(),
  );
}

const text = fc.stringMatching(/^[A-Za-z0-9$_.{}:-]{1,12}$/).filter((value) => !value.startsWith('-'));
const number = (max: number) => fc.integer({ min: 1, max }).map(String);
const headers = fc.uniqueArray(fc.constantFrom('x-a', 'x-b', 'x-c'), { minLength: 1 });
const anyFlags = fc
  .record(
    {
      '--host': fc.constantFrom('127.0.0.1', '::1', 'localhost'),
      '--port': number(28_000),
      '--policy': fc.constantFrom('random', 'round_robin', 'power_of_two'),
      '--log-level': fc.constantFrom('debug', 'warn'),
      '--log-json': fc.constant(undefined),
      '--prometheus-port': fc.integer({ min: 28_001, max: 65_000 }).map(String),
      '--request-id-headers': headers,
      '--request-timeout-secs': number(9999),
      '--upstream-pool-idle-timeout-secs': number(9999),
      '--shutdown-grace-period-secs': number(9999),
      '--max-payload-size': number(1_000_000_000),
      '--cors-allowed-origins': fc.constant(['https://a.example', 'https://b.example']),
      '--retry-max-retries': number(20),
      '--retry-backoff-multiplier': fc.constantFrom('1.5', '2'),
      '--disable-retries': fc.constant(undefined),
      '--health-failure-threshold': number(20),
      '--health-check-interval-secs': number(100),
      '--disable-health-check': fc.constant(undefined),
      '--model-alias': text.map((model) => `alias=${model}x`),
      '--api-key': text,
    },
    { requiredKeys: [] },
  )
  .map((flags) => [
    '--worker-urls',
    'http://a:1',
    'http://b:2',
    ...Object.entries(flags).flatMap(([name, value]) => [name, value ?? []].flat()),
  ]);

describe('a file made from flags', () => {
  it('means the same as the flags', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'smg-from-flags-'));
    try {
      await fc.assert(
        fc.asyncProperty(anyFlags, async (argv) => {
          assert.deepEqual(parseFlags(argv).errors, []);
          const { yaml, variables } = flagsToYaml(parseFlags(argv).patch);
          await writeFile(join(cwd, 'made.yaml'), yaml);
          const key = argv[argv.indexOf('--api-key') + 1] as string;
          const env = Object.fromEntries(variables.map((name) => [name, key]));
          const [fromFlags, fromFile] = [await load(cwd, argv), await load(cwd, [], 'made.yaml', env)];
          assert.deepEqual(comparable(fromFile.config), comparable(fromFlags.config));
        }),
        { numRuns: 60 },
      );
    } finally {
      await rm(cwd, { recursive: true, force: true });
    }
  });

  it('holds no secret, but the name of a variable', () => {
    const { yaml, variables } = flagsToYaml(parseFlags([...WORKER, '--api-key', 'marked-key']).patch);
    assert.doesNotMatch(yaml, /marked-key/);
    assert.deepEqual(variables, ['SMG_API_KEY']);
    assert.match(yaml, /api_key: \$SMG_API_KEY/);
  });

  it('names one variable a secret', () => {
    const keys = ['--tenant-api-key', 'a:marked-1', 'b:marked-2', '--control-plane-api-keys', 'c:C:user:marked-1'];
    const { yaml, variables } = flagsToYaml(parseFlags(keys).patch);
    assert.doesNotMatch(yaml, /marked/);
    assert.deepEqual(variables, ['SMG_KEY', 'SMG_KEY_2']);
    assert.match(yaml, /id: b\n\s+key: \$SMG_KEY_2/);
    assert.match(yaml, /role: user\n\s+key: \$SMG_KEY\n/);
  });

  it('reads the way a person would write it', () => {
    const { yaml } = flagsToYaml(parseFlags([...WORKER, '--policy', 'round_robin', '--port', '30000']).patch);
    assert.equal(
      yaml,
      'defaults: smg\nclusters:\n  - name: cli\n    workers:\n      - http://a:1\n    policy: round_robin\nlisteners:\n  - name: main\n    port: 30000\n',
    );
  });
});

describe('flags over a file', () => {
  it('change its first listener and its other clusters not at all', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'smg-over-'));
    try {
      await writeFile(
        join(cwd, 'a.yaml'),
        'listeners: [{ name: public, port: 1 }]\nclusters: [{ name: x, workers: [http://x:1] }]',
      );
      const { config } = await load(cwd, ['--port', '81', ...WORKER], 'a.yaml');
      assert.deepEqual(
        config.listeners.map(({ name, port }) => [name, port]),
        [['public', 81]],
      );
      assert.deepEqual(
        config.clusters.map(({ name }) => name),
        ['x', 'cli'],
      );
    } finally {
      await rm(cwd, { recursive: true, force: true });
    }
  });

  it('are named in errors', async () => {
    await assert.rejects(
      load(tmpdir(), ['--worker-urls', 'w1:8000', '--policy', 'cache_aware']),
      (error: ConfigErrors) => {
        assert.ok(error instanceof ConfigErrors);
        assert.match(error.message, /^--worker-urls clusters\.cli\.workers\[0\]: must be a URL that starts with http/m);
        assert.match(error.message, /^--policy\s+clusters\.cli\.policy: the policy "cache_aware" is not built yet/m);
        return true;
      },
    );
  });
});
