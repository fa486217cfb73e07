import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { FakeGemini } from '../fakes/fake-gemini.js';

const MODEL = 'gemini-3-pro-preview';
const TOOL = { type: 'function', function: { name: 'add', parameters: { type: 'object' } } };
const USER = { role: 'user', content: 'Hi' };

describe('thought signatures of clients that send back nothing but ids', () => {
  let fake: FakeGemini;
  let gateway: GatewayFixture;
  const yaml = (budget: number): string => `
clusters:
  - { name: gemini, provider: gemini, url: "${fake.provider.url}", models: [${MODEL}] }
providers: { gemini: { key: ${fake.key}, signature_in_id: false, models: [{ match: old, min_thinking_budget: ${budget} }] } }
resilience: { retry: off }
`;

  before(async () => {
    fake = await FakeGemini.start({ plain: true });
    gateway = await startGateway(yaml(1));
  });
  after(async () => {
    await gateway.close();
    await fake.close();
  });

  it('outlive a reload', async () => {
    const chat = async (messages: object[]): Promise<Record<string, unknown>> => {
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: MODEL, messages, tools: [TOOL] }),
      });
      assert.equal(response.status, 200);
      return ((await response.json()) as { choices: { message: Record<string, unknown> }[] }).choices[0]
        ?.message as Record<string, unknown>;
    };
    fake.script({
      pieces: [
        { parts: [{ functionCall: { name: 'add', args: {} }, thoughtSignature: 'c2lnbmF0dXJl' }] },
        { parts: [], finish: 'STOP' },
      ],
    });
    const answer = await chat([USER]);
    const [call] = answer.tool_calls as { id: string }[];
    assert.ok(call !== undefined && !call.id.includes('c2lnbmF0dXJl'));
    await gateway.reload(yaml(2));
    const plain = { id: call.id, type: 'function', function: { name: 'add', arguments: '{}' } };
    await chat([
      USER,
      { role: 'assistant', content: null, tool_calls: [plain] },
      { role: 'tool', tool_call_id: call.id, content: '3' },
    ]);
    assert.match(fake.provider.lastRequest.text, /"thoughtSignature":"c2lnbmF0dXJl"/);
  });
});
