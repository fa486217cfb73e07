import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import OpenAI, { APIError } from 'openai';
import type { Delta } from '../../core/index.js';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { seen } from './delta-plugin.js';
import { rawPost } from './raw-client.js';

const PLUGIN = fileURLToPath(new URL('./delta-plugin.ts', import.meta.url));

describe('answers made of deltas, through the whole chain', () => {
  let gateway: GatewayFixture;
  let client: OpenAI;
  const messages = [{ role: 'user' as const, content: 'hi' }];
  const script: Delta[] = [
    { kind: 'text', choice: 0, text: '<let me think>hel' },
    { kind: 'text', choice: 0, text: 'lo' },
    { kind: 'tool_call', choice: 0, index: 0, id: 'call_1', name: 'f', arguments: '{"a"' },
    { kind: 'tool_call', choice: 0, index: 0, arguments: ':1}' },
    { kind: 'finish', choice: 0, reason: 'tool_calls' },
    { kind: 'usage', usage: { promptTokens: 3, completionTokens: 5, cachedTokens: 2 } },
  ];

  before(async () => {
    gateway = await startGateway(`
plugins: ["${PLUGIN}"]
clusters: [{ name: c, health: off, workers: [{ url: "http://127.0.0.1:1", models: [m], backend: scripted }] }]
filters:
  - preset: standard
  - { name: shout, after: model }
`);
    client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });

  after(() => gateway.close());

  const ask = (extra: object): OpenAI.ChatCompletionCreateParamsNonStreaming =>
    ({ model: 'm', messages, x_script: script, ...extra }) as OpenAI.ChatCompletionCreateParamsNonStreaming;

  it('are collected into one body', async () => {
    const answer = await client.chat.completions.create(ask({}));
    const choice = answer.choices[0];
    assert.equal(choice?.message.content, 'HELLO');
    assert.equal((choice?.message as { reasoning_content?: string } | undefined)?.reasoning_content, 'let me think');
    const call = choice?.message.tool_calls?.[0];
    assert.deepEqual(call, { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } });
    assert.equal(choice?.finish_reason, 'tool_calls');
    assert.equal(answer.usage?.total_tokens, 8);
    assert.equal(answer.usage?.prompt_tokens_details?.cached_tokens, 2);
  });

  it('stream to the same message, with usage on request', async () => {
    const whole = await client.chat.completions.create(ask({}));
    const stream = client.chat.completions.stream(
      ask({ stream_options: { include_usage: true } }) as unknown as OpenAI.ChatCompletionCreateParamsStreaming,
    );
    const final = await stream.finalChatCompletion();
    assert.equal(final.choices[0]?.message.content, whole.choices[0]?.message.content);
    assert.equal(final.choices[0]?.finish_reason, 'tool_calls');
    assert.equal(final.usage?.completion_tokens, 5);
  });

  it('are never reported complete when they end without a finish', async () => {
    const cut = { x_script: [...script.slice(0, 2), 'cut'] };
    await assert.rejects(client.chat.completions.create(ask(cut)), (error: unknown) => {
      assert.ok(error instanceof APIError);
      assert.equal(error.status, 502);
      return true;
    });
    const stream = await client.chat.completions.create({ ...ask(cut), stream: true });
    await assert.rejects(async () => {
      for await (const _ of stream);
    }, APIError);
  });

  it('stop when the client leaves', async () => {
    const { aborts } = seen;
    const body = { model: 'm', messages, stream: true, x_script: [...script.slice(0, 2), 'hang', ...script.slice(2)] };
    const request = rawPost('h1', gateway.port, '/v1/chat/completions', body);
    await request.firstByte;
    request.leave();
    for (let i = 0; i < 200 && seen.aborts === aborts; i++) await sleep(2);
    assert.equal(seen.aborts, aborts + 1);
    assert.equal(gateway.server.generation.streams, 0);
  });

  it('pause their producer while the client does not read', async () => {
    const text: Delta = { kind: 'text', choice: 0, text: 'x'.repeat(64 * 1024) };
    const long = [...Array.from({ length: 400 }, () => text), ...script.slice(4)];
    const body = { model: 'm', messages, stream: true, x_script: long };
    const { paused } = seen;
    const http = await import('node:http');
    const length = await new Promise<number>((resolve, reject) => {
      const bytes = Buffer.from(JSON.stringify(body));
      const request = http.request(
        {
          port: gateway.port,
          method: 'POST',
          path: '/v1/chat/completions',
          headers: { 'content-type': 'application/json', 'content-length': bytes.length },
        },
        (response) => {
          drainLate(response, () => seen.paused > paused).then(resolve, reject);
        },
      );
      request.on('error', reject);
      request.end(bytes);
    });
    assert.ok(length > 400 * 64 * 1024);
    assert.ok(seen.paused > paused, 'the producer was never paused');
  });

  it('are refused for an api that cannot render them', async () => {
    const answer = await rawPost('h1', gateway.port, '/v1/embeddings', { model: 'm', input: 'x', x_script: script })
      .answer;
    assert.equal(answer.status, 501);
  });
});

/** Reads a response once `begin` is true, or after two seconds; resolves with its length. */
async function drainLate(response: AsyncIterable<Buffer>, begin: () => boolean): Promise<number> {
  for (let i = 0; i < 1000 && !begin(); i++) await sleep(2);
  let total = 0;
  for await (const chunk of response) total += chunk.length;
  return total;
}
