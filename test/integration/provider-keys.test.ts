import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import {
  type Byok,
  combinations,
  credentialsIn,
  expected,
  GATEWAY_KEYS,
  type GatewayAuth,
  type KeyedWorker,
  MARK,
  PROVIDERS,
  storedKey,
} from './provider-keys/callers.js';
import { type Answer, each, send } from './provider-keys/client.js';
import { type RecordedRequest, RecordingProvider } from './provider-keys/recording-provider.js';

/**
 * Each worker gets every credential alone, every so many-th pair, and every so many-th of larger combinations, the next
 * worker the next ones: so each combination goes somewhere.
 */
const PAIR_STRIDE = 4;

const AUTH: Readonly<Record<GatewayAuth, string>> = {
  open: '',
  api_key: `auth: { api_key: "${GATEWAY_KEYS.api_key}" }`,
  tenants: `auth: { tenants: [{ id: red, key: "${GATEWAY_KEYS.tenants}" }] }`,
};

const WORKERS: readonly (KeyedWorker & { readonly model: string })[] = PROVIDERS.flatMap((provider) =>
  [true, false].flatMap((stored) =>
    (['allow', 'require', 'deny'] as const).map((byok: Byok) => {
      return { provider, stored, byok, model: `${provider}-${stored ? 'stored' : 'bare'}-${byok}` };
    }),
  ),
);

function strideOf(headers: number): number {
  if (headers < 2) return 1;
  return headers === 2 ? PAIR_STRIDE : WORKERS.length;
}

/** A gateway's own words: log, metrics, and what it tells of its workers. */
async function wordsOf(gateway: GatewayFixture, auth: GatewayAuth): Promise<string> {
  const credentials = auth === 'open' ? [] : [{ header: 'x-api-key', value: GATEWAY_KEYS[auth] }];
  const pages = await Promise.all(
    ['/workers', '/get_loads', '/v1/models'].map((path) => send(gateway.url, path, credentials)),
  );
  return [gateway.logText(), await gateway.metricsText(), ...pages.map(({ text }) => text)].join('\n');
}

for (const auth of Object.keys(AUTH) as GatewayAuth[]) {
  describe(`keys before a gateway with auth ${auth}`, () => {
    let provider: RecordingProvider;
    let gateway: GatewayFixture;

    before(async () => {
      provider = await RecordingProvider.start();
      const clusters = WORKERS.map(({ provider: name, stored, byok, model }) => {
        const key = stored ? `, api_key: "${storedKey(name)}"` : '';
        return `  - { name: ${model}, provider: ${name}, byok: ${byok}, health: off, workers: [{ url: "${provider.url}/${model}", models: [${model}]${key} }] }`;
      });
      gateway = await startGateway(`
clusters:
${clusters.join('\n')}
${AUTH[auth]}
resilience: { retry: off, circuit_breaker: off }
telemetry: { logs: { level: trace }, metrics: { prometheus: { host: 127.0.0.1, port: 0 } } }
`);
    });

    after(async () => {
      await gateway?.close();
      await provider.close();
    });

    it('one goes out, the right one, or none', async () => {
      const all = combinations(auth === 'open' ? GATEWAY_KEYS.api_key : GATEWAY_KEYS[auth]);
      const cases = WORKERS.flatMap((worker, at) =>
        all
          .filter((credentials, index) => (index + at) % strideOf(credentials.length) === 0)
          .map((credentials) => ({ worker, credentials })),
      );
      const answers: Answer[] = [];
      await each(cases, async ({ worker: { model }, credentials }, index) => {
        // Both apis, so that both what is forwarded and what is translated is seen.
        const path = index % 2 === 0 ? '/v1/chat/completions' : '/v1/messages';
        const body = { model, max_tokens: 9, messages: [{ role: 'user', content: `request ${index}.` }] };
        answers[index] = await send(gateway.url, path, credentials, body);
      });

      const arrived = new Map<number, RecordedRequest>();
      for (const request of provider.requests) {
        const index = Number(/request (\d+)\./.exec(request.body)?.[1]);
        assert.ok(!arrived.has(index), 'sent twice');
        arrived.set(index, request);
      }
      for (const [index, { worker, credentials }] of cases.entries()) {
        const outcome = expected(credentials, auth, worker);
        const told = `${worker.model} ← ${JSON.stringify(credentials)}`;
        const request = arrived.get(index);
        const { status, text } = answers[index] as Answer;
        if ('refused' in outcome) {
          assert.equal(request, undefined, told);
          assert.equal(status, 401, told);
          assert.ok(text.includes(outcome.refused), `${told}: ${text}`);
          continue;
        }
        assert.equal(status, 200, `${told}: ${text}`);
        assert.ok(request !== undefined, told);
        assert.ok(request.path.startsWith(`/${worker.model}/`), told);
        const wanted = outcome.credential === undefined ? [] : [outcome.credential];
        assert.deepEqual(credentialsIn(request.headers), wanted, told);
        // Nor anywhere else.
        const rest = request.headers.filter((field) => field[0] !== wanted[0]?.[0]);
        assert.ok(!JSON.stringify([rest, request.path, request.body]).includes(MARK), told);
      }
      assert.ok(!answers.some(({ text }) => text.includes(MARK)), 'a key in an answer');
      assert.ok(!(await wordsOf(gateway, auth)).includes(MARK), 'a key in the log, the metrics or a page');
    });
  });
}
