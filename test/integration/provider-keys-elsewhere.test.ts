import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import {
  combinations,
  credentialsIn,
  expected,
  GATEWAY_KEYS,
  MARK,
  PROVIDERS,
  type Provider,
  type Sent,
  storedKey,
} from './provider-keys/callers.js';
import { send } from './provider-keys/client.js';
import { type RecordedRequest, RecordingProvider } from './provider-keys/recording-provider.js';

const AUTH = `auth: { api_key: "${GATEWAY_KEYS.api_key}" }`;
const TRACE = 'telemetry: { logs: { level: trace }, metrics: { prometheus: { host: 127.0.0.1, port: 0 } } }';
const CHAT = { model: 'shared', messages: [{ role: 'user', content: 'Hi' }] };
/** The gateway's own key, and one or two of the caller's. */
const CALLERS = combinations(GATEWAY_KEYS.api_key).filter(
  (credentials) => credentials.length < 4 && credentials.some(({ header, owner }) => opens(header, owner)),
);

function opens(header: string, owner: string): boolean {
  return owner === 'gateway' && (header === 'authorization' || header === 'x-api-key');
}

/** Which provider's worker was asked: the first step of its path. */
function askedOf({ path }: RecordedRequest): Provider {
  return path.split('/')[1] as Provider;
}

describe('keys away from the straight way', () => {
  let provider: RecordingProvider;
  let gateway: GatewayFixture;

  before(async () => {
    provider = await RecordingProvider.start();
  });
  afterEach(async () => {
    await gateway.close();
    provider.requests.length = 0;
    provider.verdict = () => undefined;
  });
  after(() => provider.close());

  /** Each request that arrived has the one credential that the rules name for its provider. */
  function assertEachItsOwn(credentials: readonly Sent[], stored: boolean): Provider[] {
    const requests = provider.requests.splice(0);
    for (const request of requests) {
      const outcome = expected(credentials, 'api_key', { provider: askedOf(request), stored, byok: 'allow' });
      const told = `${request.path} ← ${JSON.stringify(credentials)}`;
      assert.ok('credential' in outcome, told);
      assert.deepEqual(
        credentialsIn(request.headers),
        outcome.credential === undefined ? [] : [outcome.credential],
        told,
      );
    }
    return requests.map(askedOf);
  }

  async function assertSaysNothing(): Promise<void> {
    const words = [gateway.logText(), await gateway.metricsText()].join('\n');
    assert.ok(!words.includes(MARK), 'a key in the log or the metrics');
  }

  it('a request that is tried again elsewhere brings each provider its own key', async () => {
    const workers = PROVIDERS.map(
      (name) =>
        `{ url: "${provider.url}/${name}", provider: ${name}, models: [shared], api_key: "${storedKey(name)}" }`,
    );
    gateway = await startGateway(`
clusters: [{ name: mixed, health: off, policy: round_robin, workers: [${workers.join(', ')}] }]
resilience: { retry: { attempts: 6, backoff: { initial: 1ms, max: 1ms }, budget: { min_per_second: 10000 } }, circuit_breaker: off }
${AUTH}
${TRACE}
`);
    provider.verdict = () => ({ status: 503, json: { error: { message: 'full' } } });
    const seen = new Set<Provider>();
    for (const credentials of CALLERS.filter(({ length }) => length < 3)) {
      const { text } = await send(gateway.url, '/v1/chat/completions', credentials, CHAT);
      assert.ok(!text.includes(MARK));
      const asked = assertEachItsOwn(credentials, true);
      assert.ok(new Set(asked).size > 1, `${asked}`);
      for (const name of asked) seen.add(name);
    }
    assert.deepEqual([...seen].sort(), [...PROVIDERS].sort());
    await assertSaysNothing();
  });

  it('the list of models asks each provider with the key that is meant for it, and no other', async () => {
    const clusters = PROVIDERS.map((name) => `{ name: ${name}, provider: ${name}, url: "${provider.url}/${name}" }`);
    gateway = await startGateway(`clusters: [${clusters.join(', ')}]\n${AUTH}\n${TRACE}`);
    provider.requests.length = 0;
    const seen = new Set<Provider>();
    for (const credentials of CALLERS) {
      const { status, text } = await send(gateway.url, '/v1/models', credentials);
      assert.equal(status, 200);
      assert.ok(!text.includes(MARK));
      for (const name of assertEachItsOwn(credentials, false)) seen.add(name);
    }
    assert.deepEqual([...seen].sort(), [...PROVIDERS].sort());
    await assertSaysNothing();
  });

  it('what engines tell of themselves is asked for without any key of the caller', async () => {
    const workers = `[{ url: "${provider.url}/openai", runtime: sglang, models: [shared] }]`;
    gateway = await startGateway(`clusters: [{ name: engine, health: off, workers: ${workers} }]\n${AUTH}\n${TRACE}`);
    provider.requests.length = 0;
    for (const path of ['/get_model_info', '/get_server_info']) {
      for (const credentials of CALLERS) await send(gateway.url, path, credentials);
    }
    assert.ok(provider.requests.length > 0);
    for (const { path, headers } of provider.requests) {
      assert.ok(!JSON.stringify([path, headers]).includes(MARK), JSON.stringify(headers));
    }
  });

  it('an engine gets its own key, or the caller’s where it may, and the gateway’s never', async () => {
    const worker = (name: string, more: string): string =>
      `{ name: ${name}, health: off, workers: [{ url: "${provider.url}/${name}", runtime: vllm, models: [${name}]${more} }] }`;
    const clusters = [worker('keyed', `, api_key: "${storedKey('groq')}"`), worker('bare', '')];
    for (const [passThrough, auth] of [
      ['when_open', AUTH],
      ['always', AUTH],
      ['never', ''],
    ] as const) {
      gateway = await startGateway(`
clusters: [${clusters.join(', ')}]
filters: [{ preset: standard }, { name: credentials, config: { pass_through: ${passThrough} } }]
resilience: { retry: off }
${auth}
`);
      for (const credentials of CALLERS) {
        for (const model of ['keyed', 'bare']) {
          await send(gateway.url, '/v1/chat/completions', credentials, { ...CHAT, model });
          // An engine is also asked for its load.
          const [request] = provider.requests.splice(0).filter(({ path }) => path.endsWith('/chat/completions'));
          assert.ok(request !== undefined);
          const found = credentialsIn(request.headers);
          if (model === 'keyed') assert.deepEqual(found, [['authorization', `Bearer ${storedKey('groq')}`]]);
          else if (passThrough !== 'always') assert.deepEqual(found, []);
          else assert.ok(!JSON.stringify(found).includes(GATEWAY_KEYS.api_key), JSON.stringify(found));
        }
      }
      if (passThrough !== 'never') await gateway.close();
    }
  });

  it('an error that repeats the key comes back without it', async () => {
    const clusters = PROVIDERS.filter((name) => name !== 'azure').map(
      (name) =>
        `{ name: ${name}, health: off, workers: [{ url: "${provider.url}/${name}", provider: ${name}, models: [${name}], api_key: "${storedKey(name)}" }] }`,
    );
    gateway = await startGateway(`
clusters: [${clusters.join(', ')}]
resilience: { retry: off, circuit_breaker: off }
${AUTH}
${TRACE}
`);
    provider.verdict = ({ headers }) => {
      const message = `Incorrect API key provided: ${credentialsIn(headers)[0]?.[1].replace('Bearer ', '')}.`;
      return { status: 401, json: { type: 'error', error: { type: 'authentication_error', code: 401, message } } };
    };
    for (const name of PROVIDERS.filter((each) => each !== 'azure')) {
      for (const path of ['/v1/chat/completions', '/v1/messages']) {
        const own = [{ header: 'x-api-key', value: GATEWAY_KEYS.api_key }];
        const { status, text } = await send(gateway.url, path, own, { ...CHAT, model: name, max_tokens: 9 });
        assert.equal(status, 401, text);
        assert.match(text, /Incorrect API key provided: \*\*\*/, `${name} ${path}`);
        assert.ok(!text.includes(MARK), `${name} ${path}: ${text}`);
      }
    }
    await assertSaysNothing();
  });
});
