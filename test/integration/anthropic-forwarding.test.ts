import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { FAKE_ANTHROPIC_KEY } from '../fakes/fake-anthropic.js';
import { type FakeAnswer, FakeProvider } from '../fakes/fake-provider.js';

const MESSAGE = '{ "type":"message", "content":[{"type":"hologram"}], "stop_reason":"tea_time", "usage":{"x":1.0} }';
const EVENTS = [
  'event: message_start\ndata: {"type":"message_start" }\n\n',
  ': hm\n\nevent: message_stop\r\ndata: {}\r\n\r\n',
];

describe("Anthropic's own clients before Anthropic", () => {
  let provider: FakeProvider;
  let gateway: GatewayFixture;
  let answer: FakeAnswer;

  before(async () => {
    provider = await FakeProvider.start(() => answer, { plain: true });
    gateway = await startGateway(`
clusters:
  - name: claude
    health: off
    workers: [{ url: "${provider.url}/v1", provider: anthropic, api_key: ${FAKE_ANTHROPIC_KEY}, models: ["m"] }]
providers: { anthropic: { betas: [b-9] } }
resilience: { retry: off }
`);
  });
  after(async () => {
    await gateway.close();
    await provider.close();
  });

  async function post(path: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(gateway.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
  }

  it('are forwarded byte for byte, whatever they send', async () => {
    answer = {
      text: MESSAGE,
      headers: { 'content-type': 'application/json', 'anthropic-ratelimit-requests-limit': '5' },
    };
    const value = fc.jsonValue({ maxDepth: 3 });
    const fields = fc.dictionary(
      fc.string({ minLength: 1 }).map((name) => `x_${name}`),
      value,
      { maxKeys: 4 },
    );
    await fc.assert(
      fc.asyncProperty(fields, fc.constantFrom('', ' ', '\n\t'), async (extra, space) => {
        const body = `{${space}"model":"m","max_tokens":10,"messages":[{"role":"user","content":"\\u0041"}],"n":1.50${space},"e":${JSON.stringify(extra)}}`;
        const response = await post('/v1/messages', body);
        assert.equal(await response.text(), MESSAGE);
        assert.equal(response.headers.get('anthropic-ratelimit-requests-limit'), '5');
        assert.equal(provider.lastRequest.text, body);
      }),
      { numRuns: 40 },
    );
    assert.equal(provider.lastRequest.path, '/v1/messages');
  });

  it('get streams as they are', async () => {
    answer = { stream: EVENTS };
    const body = '{"model":"m","max_tokens":1,"stream":true,"messages":[{"role":"user","content":"a"}]}';
    assert.equal(await (await post('/v1/messages', body)).text(), EVENTS.join(''));
  });

  it('count tokens there', async () => {
    answer = { json: { input_tokens: 7 } };
    const body = '{"model":"m", "messages":[{"role":"user","content":"a"}]}';
    assert.deepEqual(await (await post('/v1/messages/count_tokens', body)).json(), { input_tokens: 7 });
    assert.deepEqual([provider.lastRequest.path, provider.lastRequest.text], ['/v1/messages/count_tokens', body]);
  });

  it('have one key, their version or the default, and all betas', async () => {
    answer = { text: MESSAGE, headers: { 'content-type': 'application/json' } };
    const body = '{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a"}]}';
    await post('/v1/messages', body);
    const { headers } = provider.lastRequest;
    assert.deepEqual(
      [headers['x-api-key'], headers.authorization, headers['anthropic-version'], headers['anthropic-beta']],
      [FAKE_ANTHROPIC_KEY, undefined, '2023-06-01', 'b-9'],
    );
    await post('/v1/messages', body, { 'anthropic-version': '2026-10-21', 'anthropic-beta': 'b-1,b-2' });
    const own = provider.lastRequest.headers;
    assert.deepEqual([own['anthropic-version'], own['anthropic-beta']], ['2026-10-21', 'b-1,b-2,b-9']);
  });
});
