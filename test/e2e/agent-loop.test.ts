import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { FakeGemini } from '../fakes/fake-gemini.js';
import { FakeOpenAi } from '../fakes/fake-openai.js';
import { settled } from '../integration/kill-matrix-cases.js';

const SERVICE_KEY = 'gsk_agent000000000';
const SIGNATURES = ['c2lnbmF0dXJlIDE=', 'c2lnbmF0dXJlIDI='];
/** Name, path and content, as the model would have it. */
const STEPS = [
  [
    { name: 'read_file', input: { path: 'src/größe.ts' } },
    { name: 'list_files', input: { path: 'src' } },
  ],
  [{ name: 'write_file', input: { path: 'src/größe.ts', content: 'export const a = "\\n";\n' } }],
];
const LAST = 'Done: one file is changed 🎉.';

/** Anthropic's own agent loop, streamed, in front of models that are not Anthropic's. */
describe('an agent on @anthropic-ai/sdk', () => {
  let service: FakeOpenAi;
  let gemini: FakeGemini;
  let gateway: GatewayFixture;
  let client: Anthropic;

  before(async () => {
    service = await FakeOpenAi.start({ key: SERVICE_KEY, models: ['llama-3.3-70b'] });
    gemini = await FakeGemini.start();
    gateway = await startGateway(
      `
clusters:
  - { name: groq, provider: groq, health: off, models: [llama-3.3-70b], tls: { ca: $file:service.pem } }
  - { name: gemini, provider: gemini, health: off, models: [gemini-3-pro-preview], tls: { ca: $file:gemini.pem } }
providers:
  groq: { url: "${service.provider.url}/v1", key: $GROQ_KEY }
  gemini: { url: "${gemini.provider.url}/v1beta", key: $GEMINI_KEY }
models: { aliases: { claude-sonnet-4-6: llama-3.3-70b, claude-opus-4-6: gemini-3-pro-preview } }
auth: { api_key: sk-gateway }
resilience: { retry: off }
`,
      {
        env: { GROQ_KEY: SERVICE_KEY, GEMINI_KEY: gemini.key },
        files: { 'service.pem': service.provider.ca, 'gemini.pem': gemini.provider.ca },
      },
    );
    client = new Anthropic({ baseURL: gateway.url, apiKey: 'sk-gateway', maxRetries: 0 });
  });

  after(async () => {
    await gateway?.close();
    await service.close();
    await gemini.close();
  });

  /** Lets the agent work; resolves with its last message, the texts as they were streamed, and the calls that it ran. */
  async function work(model: string): Promise<{ message: Anthropic.Beta.BetaMessage; text: string; ran: unknown[] }> {
    const ran: unknown[] = [];
    const tool = (name: string, fields: readonly string[]) =>
      betaTool({
        name,
        description: `Does what ${name} says.`,
        inputSchema: {
          type: 'object',
          properties: Object.fromEntries(fields.map((field) => [field, { type: 'string' }])),
          required: [...fields],
        } as const,
        run: (input) => {
          ran.push({ name, input });
          return `result of ${name}`;
        },
      });
    const runner = client.beta.messages.toolRunner({
      model,
      max_tokens: 8192,
      system: [{ type: 'text', text: 'You are an agent.', cache_control: { type: 'ephemeral' } }],
      messages: [{ role: 'user', content: 'Change the file.' }],
      tools: [tool('read_file', ['path']), tool('list_files', ['path']), tool('write_file', ['path', 'content'])],
      stream: true,
      betas: ['fine-grained-tool-streaming-2025-05-14'],
    });
    let text = '';
    for await (const stream of runner) stream.on('text', (piece) => (text += piece));
    return { message: await runner.done(), text, ran };
  }

  async function assertWorked(model: string): Promise<void> {
    const { message, text, ran } = await work(model);
    assert.deepEqual(ran, STEPS.flat());
    assert.equal(text, `I look.I write.${LAST}`);
    assert.deepEqual(
      message.content.map((block) => block.type === 'text' && block.text),
      [LAST],
    );
    assert.equal(message.stop_reason, 'end_turn');
    await settled(gateway);
  }

  // The SDK would have the provider keep the conversation; refused, it sends all of it.
  it('works on a service that speaks OpenAI’s API', async () => {
    const calls = (step: number) =>
      (STEPS[step] ?? []).map(({ name, input }, at) => ({
        id: `call_${step}${at}`,
        name,
        arguments: JSON.stringify(input),
      }));
    service.script({ text: 'I look.', calls: calls(0) }, { text: 'I write.', calls: calls(1) }, { text: LAST });
    await assertWorked('claude-sonnet-4-6');
    assert.equal(service.provider.requests.filter(({ path }) => path === '/v1/chat/completions').length, 3);
    const { messages } = service.provider.lastRequest.json as { messages: { role: string; content: unknown }[] };
    assert.deepEqual(
      messages.map(({ role, content }) => (role === 'tool' ? content : role)),
      [
        'system',
        'user',
        'assistant',
        'result of read_file',
        'result of list_files',
        'assistant',
        'result of write_file',
      ],
    );
  });

  it('works on Gemini, which gets its signatures back', async () => {
    const step = (index: number, text: string) => ({
      pieces: [
        { parts: [{ text: 'thinking', thought: true }] },
        { parts: [{ text }] },
        ...(STEPS[index] ?? []).map(({ name, input }, at) => ({
          parts: [
            {
              functionCall: { name, args: input },
              ...(at === 0 ? { thoughtSignature: SIGNATURES[index] as string } : {}),
            },
          ],
        })),
        { parts: [], finish: 'STOP' },
      ],
    });
    gemini.script(step(0, 'I look.'), step(1, 'I write.'), { pieces: [{ parts: [{ text: LAST }], finish: 'STOP' }] });
    await assertWorked('claude-opus-4-6');
    const parts = gemini.lastBody.contents.flatMap((content) => content.parts);
    assert.deepEqual(
      parts.flatMap(({ thoughtSignature }) => thoughtSignature ?? []),
      SIGNATURES,
    );
    assert.deepEqual(
      parts.flatMap(({ functionResponse }) => functionResponse?.response.result ?? []),
      STEPS.flat().map(({ name }) => `result of ${name}`),
    );
  });
});
