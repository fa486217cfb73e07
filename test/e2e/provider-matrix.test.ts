import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { anthropicClient } from './provider-matrix/anthropic-client.js';
import { CASES, CLIENTS, type ClientName, type Way, WORKERS } from './provider-matrix/cases.js';
import type { Ask, MatrixClient } from './provider-matrix/client.js';
import { startEngineWorker } from './provider-matrix/engine-worker.js';
import { startAnthropicWorker, startGeminiWorker, startOpenAiWorker } from './provider-matrix/fake-workers.js';
import { openAiClient } from './provider-matrix/openai-client.js';
import { renderPage } from './provider-matrix/page.js';
import { SCENARIOS } from './provider-matrix/scenarios.js';
import type { MatrixWorker } from './provider-matrix/worker.js';

const GATEWAY_KEY = 'sk-gateway-000000';

/** One gateway before all of them: the name of the model alone says where a request goes. */
describe('client × provider × feature', () => {
  const workers = new Map<string, MatrixWorker>();
  const clients = new Map<ClientName, MatrixClient>();
  let gateway: GatewayFixture;

  before(async () => {
    const started = await Promise.all([
      startOpenAiWorker('openai'),
      startOpenAiWorker('xai'),
      startAnthropicWorker(),
      startGeminiWorker(),
      startEngineWorker(),
    ]);
    for (const worker of started) workers.set(worker.name, worker);
    const yaml = `
clusters:
${started.map(({ cluster }) => `  - ${cluster}`).join('\n')}
auth: { api_key: ${GATEWAY_KEY} }
resilience: { retry: off, circuit_breaker: off }
`;
    gateway = await startGateway(yaml, { files: Object.assign({}, ...started.map(({ files }) => files)) });
    clients.set('chat', openAiClient(gateway.url, GATEWAY_KEY));
    clients.set('messages', anthropicClient(gateway.url, GATEWAY_KEY));
  });

  after(async () => {
    await gateway?.close();
    for (const worker of workers.values()) await worker.close();
  });

  for (const client of CLIENTS) {
    for (const name of WORKERS) {
      describe(`${client} × ${name}`, () => {
        for (const { feature, title, ways, cells } of CASES) {
          const cell = cells[client][name];
          if (cell === 'absent') continue;
          const outcome = typeof cell === 'object' ? `refused: ${cell.refused}` : cell;
          it(`${title}: ${outcome}`, async () => {
            const pair = {
              client: clients.get(client) as MatrixClient,
              worker: workers.get(name) as MatrixWorker,
              gateway,
            };
            const { ask, run } = SCENARIOS[feature];
            const what = ask(pair.worker);
            if (typeof cell !== 'object') return run(pair, what, ways);
            const asked = pair.worker.asked();
            for (const way of ways)
              await assertRefused(pair.client, what, feature === 'count_tokens', way, cell.refused);
            assert.equal(pair.worker.asked(), asked, 'the worker was asked');
          });
        }
      });
    }
  }

  it('docs/provider-matrix.md shows these cases', () => {
    assert.equal(readFileSync(new URL('../../docs/provider-matrix.md', import.meta.url), 'utf8'), renderPage());
  });
});

async function assertRefused(client: MatrixClient, what: Ask, counts: boolean, way: Way, code: string): Promise<void> {
  await assert.rejects(
    async () => (counts ? client.countTokens(what) : client.ask(what, way)),
    (error: unknown) => {
      assert.ok(error instanceof client.apiError, String(error));
      assert.equal(error.headers?.get('x-smg-error-code'), code);
      return true;
    },
  );
}
