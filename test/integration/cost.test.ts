import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { type GatewayFixture, startGateway, startTestSim } from '../../core/testing/index.js';
import { FAKE_ANTHROPIC_KEY, FakeAnthropic } from '../fakes/fake-anthropic.js';
import { FakeGemini } from '../fakes/fake-gemini.js';
import { FakeOpenAi } from '../fakes/fake-openai.js';
import { settled, until } from './kill-matrix-cases.js';

/** Of a line of the access log. */
interface Line {
  readonly cost?: number;
  readonly currency?: string;
  readonly cost_estimated?: boolean;
  readonly usage_estimated?: boolean;
  readonly input_tokens?: number;
  readonly cached_tokens?: number;
  readonly output_tokens?: number;
  readonly reasoning_tokens?: number;
  readonly complete: boolean;
  readonly attempts?: readonly unknown[];
}

const CHAT = { messages: [{ role: 'user' as const, content: 'Hi' }] };
const MESSAGE = { max_tokens: 50, messages: [{ role: 'user' as const, content: 'Hi' }] };
const HAIKU = 'claude-3-5-haiku-latest';

async function drain(answer: unknown): Promise<unknown[]> {
  const events: unknown[] = [];
  if (typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer) {
    for await (const event of answer as AsyncIterable<unknown>) events.push(event);
  }
  return events;
}

/** Without what a prefix cache may know the second time, where it has no price. */
function counts({ cost, currency, input_tokens, output_tokens, reasoning_tokens, usage_estimated }: Line): object {
  return { cost, currency, input_tokens, output_tokens, reasoning_tokens, usage_estimated };
}

describe('what requests cost', () => {
  let openai: FakeOpenAi;
  let anthropic: FakeAnthropic;
  let gemini: FakeGemini;
  let sim: Awaited<ReturnType<typeof startTestSim>>;
  let gateway: GatewayFixture;
  let chat: OpenAI;
  let messages: Anthropic;

  before(async () => {
    openai = await FakeOpenAi.start();
    anthropic = await FakeAnthropic.start();
    gemini = await FakeGemini.start();
    sim = await startTestSim({ models: ['own-model'] });
    gateway = await startGateway(
      `
clusters:
  - name: openai
    health: off
    workers: [{ url: "${openai.provider.url}", provider: openai, runtime: external, api_key: $OPENAI, models: [gpt-4o-mini] }]
    tls: { ca: $file:openai.pem }
  - name: anthropic
    health: off
    workers: [{ url: "${anthropic.provider.url}", provider: anthropic, runtime: external, api_key: $ANTHROPIC, models: [claude-sonnet-4-5, ${HAIKU}] }]
    tls: { ca: $file:anthropic.pem }
  - name: gemini
    health: off
    workers: [{ url: "${gemini.provider.url}", provider: gemini, runtime: external, api_key: $GEMINI, models: [gemini-2.5-flash] }]
    tls: { ca: $file:gemini.pem }
  - name: own
    health: off
    workers: [{ url: "${sim.url}", runtime: generic, models: [own-model] }]
models:
  aliases: { small: gpt-4o-mini }
  own-model: { cost: { input: 0.5, output: 2 } }
cost: { header: true }
filters:
  - preset: standard
  - name: fallback
    config: { rules: [{ models: [${HAIKU}], to: [{ cluster: openai, model: gpt-4o-mini }], first_token: 100ms }] }
`,
      {
        env: { OPENAI: openai.key, ANTHROPIC: FAKE_ANTHROPIC_KEY, GEMINI: gemini.key },
        files: {
          'openai.pem': openai.provider.ca,
          'anthropic.pem': anthropic.provider.ca,
          'gemini.pem': gemini.provider.ca,
        },
      },
    );
    chat = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'unused', maxRetries: 0 });
    messages = new Anthropic({ baseURL: gateway.url, apiKey: 'unused', maxRetries: 0 });
  });

  after(async () => {
    await gateway?.close();
    for (const each of [openai, anthropic, gemini, sim]) await each?.close();
  });

  function lines(): Line[] {
    const all = gateway.logText().split('\n');
    return all.filter((line) => line.includes('"msg":"request"')).map((line) => JSON.parse(line) as Line);
  }

  /** What the access log says of the one request that `ask` makes. */
  async function logged(ask: () => Promise<unknown>): Promise<Line> {
    const count = lines().length;
    await ask();
    await until(() => lines().length > count);
    await settled(gateway);
    assert.equal(lines().length, count + 1);
    return lines().at(-1) as Line;
  }

  it('is the same streamed and whole, though the client of the stream asked for no counts', async () => {
    const script = { text: 'Hello there', cachedTokens: 4, reasoningTokens: 2 };
    openai.script(script, script);
    const whole = await logged(() => chat.chat.completions.create({ model: 'gpt-4o-mini', ...CHAT }));
    // 7 of the prompt, 4 of it cached, 7 of the answer, at 0.15, 0.075 and 0.6 a million.
    assert.equal(whole.cost, 0.00000555);
    assert.equal(whole.currency, 'USD');
    let events: unknown[] = [];
    const streamed = await logged(async () => {
      events = await drain(await chat.chat.completions.create({ model: 'gpt-4o-mini', ...CHAT, stream: true }));
    });
    assert.deepEqual(counts(streamed), counts(whole));
    assert.equal(streamed.cached_tokens, 4);
    const sent = openai.provider.lastRequest.json as { stream_options: unknown };
    assert.deepEqual(sent.stream_options, { include_usage: true });
    assert.ok(events.length > 1);
    for (const event of events as OpenAI.ChatCompletionChunk[]) {
      assert.equal('usage' in event, false);
      assert.equal(event.choices.length, 1);
    }
  });

  it('leaves the counts to clients that ask for them', async () => {
    let events: unknown[] = [];
    const ask = { model: 'gpt-4o-mini', ...CHAT, stream: true as const, stream_options: { include_usage: true } };
    await logged(async () => {
      events = await drain(await chat.chat.completions.create(ask));
    });
    assert.equal((events.at(-1) as OpenAI.ChatCompletionChunk).usage?.total_tokens, 18);
  });

  it('is the same streamed and whole on every way', async () => {
    anthropic.script = {
      usage: { input_tokens: 10, cache_read_input_tokens: 20, cache_creation_input_tokens: 5, output_tokens: 9 },
    };
    const own = { model: 'own-model', seed: 1, max_tokens: 9 };
    const ways: Record<string, (stream: boolean) => Promise<unknown>> = {
      'Anthropic by its own client': (stream) =>
        messages.messages.create({ model: 'claude-sonnet-4-5', ...MESSAGE, stream }).then(drain),
      'Anthropic by chat': (stream) =>
        chat.chat.completions.create({ model: 'claude-sonnet-4-5', ...CHAT, stream }).then(drain),
      'Gemini by chat': (stream) =>
        chat.chat.completions.create({ model: 'gemini-2.5-flash', ...CHAT, stream }).then(drain),
      'OpenAI by messages': (stream) =>
        messages.messages.create({ model: 'gpt-4o-mini', ...MESSAGE, stream }).then(drain),
      'an own engine by chat': (stream) => chat.chat.completions.create({ ...own, ...CHAT, stream }).then(drain),
      'an own engine by completions': (stream) => chat.completions.create({ ...own, prompt: 'Hi', stream }).then(drain),
      'an alias': (stream) => chat.chat.completions.create({ model: 'small', ...CHAT, stream }).then(drain),
    };
    for (const [name, ask] of Object.entries(ways)) {
      const whole = await logged(() => ask(false));
      const streamed = await logged(() => ask(true));
      assert.ok((whole.cost ?? 0) > 0, name);
      assert.equal(whole.usage_estimated, undefined, name);
      assert.deepEqual(counts(streamed), counts(whole), name);
    }
    anthropic.script = {};
  });

  it('stands in a header of answers that are not streamed, of bytes and of deltas', async () => {
    for (const model of ['gpt-4o-mini', 'gemini-2.5-flash', 'own-model']) {
      let header: string | null = null;
      const line = await logged(async () => {
        const { response } = await chat.chat.completions.create({ model, ...CHAT, max_tokens: 5 }).withResponse();
        header = response.headers.get('x-smg-cost');
      });
      assert.ok(header !== null, model);
      assert.equal(Number(header), line.cost, model);
      await logged(async () => {
        const ask = { model, ...CHAT, max_tokens: 5, stream: true as const };
        const { data, response } = await chat.chat.completions.create(ask).withResponse();
        assert.equal(response.headers.get('x-smg-cost'), null);
        await drain(data);
      });
    }
  });

  it('is an estimate where the client leaves in the middle, or the worker does', async () => {
    anthropic.script = {
      content: [{ type: 'text', text: 'abcdefghijklmnopqrstuvwxyz' }],
      usage: { input_tokens: 100, output_tokens: 30 },
      after: { events: 6, ending: 'hold' },
    };
    const left = await logged(async () => {
      const stream = await messages.messages.create({ model: 'claude-sonnet-4-5', ...MESSAGE, stream: true });
      for await (const event of stream) if (event.type === 'content_block_delta') break;
    });
    anthropic.script = {};
    assert.deepEqual([left.complete, left.usage_estimated, left.cost_estimated], [false, true, true]);
    assert.equal(left.input_tokens, 100);
    assert.ok((left.output_tokens ?? 0) >= 1 && (left.cost ?? 0) >= 0.0003 + 0.000015, JSON.stringify(left));
    openai.script({ text: 'a longer text that is never finished', cutAfter: 3 });
    const cut = await logged(() =>
      chat.chat.completions
        .create({ model: 'gpt-4o-mini', ...CHAT, stream: true })
        .then(drain)
        .catch(() => undefined),
    );
    assert.deepEqual([cut.complete, cut.usage_estimated], [false, true]);
    assert.ok((cut.input_tokens ?? 0) > 0 && (cut.output_tokens ?? 0) > 0);
  });

  it('counts what a try took that was given up for another', async () => {
    anthropic.script = { usage: { input_tokens: 1000, output_tokens: 5 }, after: { events: 2, ending: 'hold' } };
    const line = await logged(() => chat.chat.completions.create({ model: HAIKU, ...CHAT, stream: true }).then(drain));
    assert.equal(line.complete, true);
    assert.equal(line.attempts?.length, 2);
    assert.equal(line.input_tokens, 11);
    // A thousand tokens at 0.8 dollars a million before the 11 and 7 of the other.
    assert.ok((line.cost ?? 0) > 0.0008 && (line.cost ?? 0) < 0.0009, JSON.stringify(line));
    anthropic.script = {};
  });

  it('is counted by provider and model of the price table', async () => {
    const text = await gateway.metricsText();
    for (const [provider, model] of [
      ['openai', 'gpt-4o-mini'],
      ['anthropic', 'claude-sonnet-4-5'],
      ['gemini', 'gemini-2.5-flash'],
      ['own', 'own-model'],
    ] as const) {
      const series = `smg_cost_total{provider="${provider}",model="${model}",tenant="",currency="USD"} `;
      const line = text.split('\n').find((each) => each.startsWith(series));
      assert.ok(Number(line?.slice(series.length)) > 0, series);
    }
    assert.match(text, /^smg_cost_requests_total\{outcome="exact"\} [1-9]\d*$/m);
    assert.match(text, /^smg_cost_requests_total\{outcome="estimated"\} [1-9]\d*$/m);
    const labels =
      'gen_ai_operation_name="chat",gen_ai_provider_name="gcp.gemini",gen_ai_request_model="gemini-2.5-flash"';
    assert.ok(text.includes(`gen_ai_client_token_usage_count{${labels},gen_ai_token_type="input"} `));
  });
});
