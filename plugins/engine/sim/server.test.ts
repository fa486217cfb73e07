import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { Clock } from '../../../core/api/clock.js';
import { HttpServers } from '../../../core/api/http-server.js';
import { Logger } from '../../../core/api/log.js';
import { openListener } from '../../../core/listener/listener.js';
import { SystemClock } from '../../../core/server/system-clock.js';
import { SILENT_LOGGER, startTestSim } from '../../../core/testing/sim-fixture.js';
import type { SimConfigInput } from './config.js';
import engineDefinition from './factory.js';
import type { RunningSim } from './server.js';

const sims: RunningSim[] = [];
after(() => Promise.all(sims.map((sim) => sim.close())));

const FAST: SimConfigInput = { ttft: 0, itl: 0 };
const WEATHER_TOOL = {
  type: 'object',
  properties: { city: { type: 'string' }, unit: { type: 'string', enum: ['celsius', 'fahrenheit'] } },
  required: ['city', 'unit'],
};

async function start(options: SimConfigInput = {}): Promise<RunningSim> {
  const sim = await startTestSim(options);
  sims.push(sim);
  return sim;
}

function post(sim: RunningSim, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(sim.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

// biome-ignore lint/suspicious/noExplicitAny: answers are checked by the assertions that follow
async function postJson(sim: RunningSim, path: string, body: unknown, headers = {}): Promise<any> {
  const response = await post(sim, path, body, headers);
  assert.equal(response.status, 200, await response.clone().text());
  return response.json();
}

// biome-ignore lint/suspicious/noExplicitAny: answers are checked by the assertions that follow
async function bodyOf(response: Response | Promise<Response>): Promise<any> {
  return (await response).json();
}

function chat(content: string, more: object = {}): object {
  return { model: 'sim', messages: [{ role: 'user', content }], ...more };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(condition(), 'still not so after two seconds');
}

function openai(sim: RunningSim): OpenAI {
  return new OpenAI({ baseURL: `${sim.url}/v1`, apiKey: 'none', maxRetries: 0 });
}

test('the same prompt has the same answer, and its prefix is found in the cache', async () => {
  const sim = await start({ prefill_tokens_per_second: 1_000_000, decode_base: 0, decode_per_request: 0 });
  const request = chat('word '.repeat(100), { max_tokens: 8 });
  const first = await postJson(sim, '/v1/chat/completions', request);
  const second = await postJson(sim, '/v1/chat/completions', request);
  assert.equal(first.choices[0].message.content, second.choices[0].message.content);
  assert.equal(first.choices[0].finish_reason, 'length');
  assert.equal(first.usage.prompt_tokens_details.cached_tokens, 0);
  assert.equal(second.usage.prompt_tokens_details.cached_tokens, 96);
  assert.equal(first.usage.total_tokens, first.usage.prompt_tokens + 8);
  assert.equal(sim.stats().loads.usedTokens, 0);
});

test('the OpenAI SDK: chat streamed equals chat whole, with usage', async () => {
  const sim = await start(FAST);
  const client = openai(sim);
  const request = { model: 'sim', messages: [{ role: 'user' as const, content: 'hello' }], max_tokens: 20 };
  const whole = await client.chat.completions.create(request);
  const stream = await client.chat.completions.create({
    ...request,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  let finish: string | null = null;
  let usage: OpenAI.CompletionUsage | null | undefined;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    finish = chunk.choices[0]?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0]?.message.content);
  assert.equal(finish, whole.choices[0]?.finish_reason);
  assert.equal(usage?.completion_tokens, whole.usage?.completion_tokens);
  assert.ok(text.length > 10);
});

test('the OpenAI SDK: choices, stop strings, completions, embeddings, responses', async () => {
  const sim = await start({ ...FAST, reply: 'one two three four' });
  const client = openai(sim);
  const two = await client.chat.completions.create({
    model: 'sim',
    n: 2,
    stop: [' three'],
    messages: [{ role: 'user', content: 'x' }],
  });
  assert.deepEqual(
    two.choices.map((choice) => [choice.index, choice.message.content, choice.finish_reason]),
    [
      [0, 'one two', 'stop'],
      [1, 'one two', 'stop'],
    ],
  );
  const batch = await client.completions.create({ model: 'sim', prompt: ['a', 'b'], max_tokens: 2, echo: true });
  assert.deepEqual(
    batch.choices.map((choice) => choice.text),
    ['aone two', 'bone two'],
  );
  const vectors = await client.embeddings.create({ model: 'sim', input: ['a', 'b'], dimensions: 8 });
  assert.equal(vectors.data.length, 2);
  const length = Math.hypot(...(vectors.data[0]?.embedding ?? []));
  assert.ok(Math.abs(length - 1) < 1e-5);
  const response = await client.responses.create({ model: 'sim', input: 'x' });
  assert.equal(response.output_text, 'one two three four');
  const events: string[] = [];
  for await (const event of await client.responses.create({ model: 'sim', input: 'x', stream: true })) {
    events.push(event.type);
  }
  assert.equal(events[0], 'response.created');
  assert.equal(events.at(-1), 'response.completed');
});

test('the OpenAI SDK: a trigger word calls the tool, and its result is answered in words', async () => {
  const sim = await start({ ...FAST, output_tokens: 4 });
  const client = openai(sim);
  const tools = [{ type: 'function' as const, function: { name: 'get_weather', parameters: WEATHER_TOOL } }];
  const messages = [{ role: 'user' as const, content: 'What is the weather?' }];
  const runner = client.chat.completions.stream({ model: 'sim', messages, tools });
  const streamed = await runner.finalChatCompletion();
  const whole = await client.chat.completions.create({ model: 'sim', messages, tools });
  for (const completion of [streamed, whole]) {
    const choice = completion.choices[0];
    assert.equal(choice?.finish_reason, 'tool_calls');
    const call = choice?.message.tool_calls?.[0];
    assert.ok(call?.type === 'function');
    assert.equal(call.function.name, 'get_weather');
    assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Paris', unit: 'celsius' });
  }
  const followUp = await client.chat.completions.create({
    model: 'sim',
    tools,
    messages: [...messages, { role: 'tool', tool_call_id: 'x', content: 'sunny weather' }],
  });
  assert.equal(followUp.choices[0]?.finish_reason, 'stop');
  const none = await client.chat.completions.create({ model: 'sim', messages, tools, tool_choice: 'none' });
  assert.equal(none.choices[0]?.message.tool_calls, undefined);
});

test('the Anthropic SDK: messages streamed and whole, tools, stop sequences', async () => {
  const sim = await start({ ...FAST, reply: 'alpha beta gamma' });
  const client = new Anthropic({ baseURL: sim.url, apiKey: 'none', maxRetries: 0 });
  const request = { model: 'sim', max_tokens: 50, messages: [{ role: 'user' as const, content: 'hi' }] };
  const whole = await client.messages.create({ ...request, stop_sequences: [' gamma'] });
  assert.deepEqual([whole.stop_reason, whole.stop_sequence], ['stop_sequence', ' gamma']);
  const streamed = await client.messages.stream(request).finalMessage();
  assert.deepEqual(streamed.content, [{ type: 'text', text: 'alpha beta gamma' }]);
  assert.deepEqual([streamed.stop_reason, streamed.usage.output_tokens], ['end_turn', 3]);
  const called = await client.messages
    .stream({
      ...request,
      messages: [{ role: 'user', content: 'weather' }],
      tools: [{ name: 'get_weather', input_schema: { ...WEATHER_TOOL, type: 'object' as const } }],
    })
    .finalMessage();
  assert.equal(called.stop_reason, 'tool_use');
  const block = called.content[0];
  assert.ok(block?.type === 'tool_use');
  assert.deepEqual(block.input, { city: 'Paris', unit: 'celsius' });
});

test('SGLang generate: single, batch, ids, and a stream with the text so far', async () => {
  const sim = await start(FAST);
  const sampling = { max_new_tokens: 3 };
  const single = await postJson(sim, '/generate', { text: 'hello', rid: 'r1', sampling_params: sampling });
  assert.equal(single.meta_info.id, 'r1');
  assert.deepEqual(single.meta_info.finish_reason, { type: 'length', length: 3 });
  assert.equal(single.output_ids.length, 3);
  const batch = await postJson(sim, '/generate', { input_ids: [[1, 2], [3]], sampling_params: sampling });
  assert.deepEqual(
    // biome-ignore lint/suspicious/noExplicitAny: foreign shape
    batch.map((item: any) => item.meta_info.prompt_tokens),
    [2, 1],
  );
  const response = await post(sim, '/generate', { text: 'hello', stream: true, sampling_params: sampling });
  const events = (await response.text()).split('\n\n').filter((event) => event !== '');
  assert.equal(events.pop(), 'data: [DONE]');
  const chunks = events.map((event) => JSON.parse(event.slice('data: '.length)));
  assert.equal(chunks.length, 3);
  assert.equal(chunks[2].text, single.text);
  assert.ok(chunks[2].text.startsWith(chunks[1].text));
  assert.equal(chunks[1].meta_info.finish_reason, null);
});

test('scoring endpoints: rerank of both shapes, score, classify', async () => {
  const sglang = await start(FAST);
  const vllm = await start({ ...FAST, runtime: 'vllm' });
  const request = { query: 'red fish', documents: ['blue sky', 'a red fish'] };
  const bare = await postJson(sglang, '/v1/rerank', request);
  assert.deepEqual([bare[0].index, bare[0].document, bare.length], [1, 'a red fish', 2]);
  const { results } = await postJson(vllm, '/rerank', { ...request, top_n: 1 });
  assert.deepEqual([results.length, results[0].index, results[0].document.text], [1, 1, 'a red fish']);
  const scored = await postJson(vllm, '/score', { text_1: 'red fish', text_2: ['red fish', 'no'] });
  assert.ok(scored.data[0].score > scored.data[1].score);
  const classes = await postJson(sglang, '/v1/classify', { input: ['a', 'b'] });
  const sum = classes.data[1].probs.reduce((total: number, share: number) => total + share, 0);
  assert.ok(Math.abs(sum - 1) < 1e-9);
});

test('audio transcription of a multipart form', async () => {
  const sim = await start({ ...FAST, reply: 'a transcript' });
  const form = new FormData();
  form.set('model', 'sim');
  form.set('file', new Blob([Buffer.alloc(20_000)]), 'speech.wav');
  const whole = await fetch(`${sim.url}/v1/audio/transcriptions`, { method: 'POST', body: form });
  assert.equal(((await whole.json()) as { text: string }).text, 'a transcript');
  form.set('stream', 'true');
  const streamed = await fetch(`${sim.url}/v1/audio/transcriptions`, { method: 'POST', body: form });
  assert.match(await streamed.text(), /transcript\.text\.done.*a transcript.*\n\ndata: \[DONE\]\n\n$/);
});

test('each runtime has its own paths', async () => {
  const expected = {
    sglang: { '/get_server_info': 200, '/v1/loads': 200, '/metrics': 200, '/version': 404, '/load': 404 },
    vllm: { '/get_server_info': 404, '/v1/loads': 404, '/metrics': 200, '/version': 200, '/load': 200 },
    openai: { '/get_server_info': 404, '/v1/loads': 404, '/metrics': 404, '/version': 404, '/health': 200 },
  } as const;
  for (const [runtime, paths] of Object.entries(expected)) {
    const sim = await start({ runtime: runtime as keyof typeof expected, models: ['m/1'] });
    for (const [path, status] of Object.entries(paths)) {
      assert.equal((await fetch(sim.url + path)).status, status, `${runtime} ${path}`);
    }
    const generate = await post(sim, '/generate', { text: 'x' });
    assert.equal(generate.status, runtime === 'sglang' ? 200 : 404);
    assert.equal((await fetch(`${sim.url}/v1/models/m%2F1`)).status, 200);
    assert.equal((await fetch(`${sim.url}/v1/chat/completions`)).status, 405);
  }
});

test('error bodies have the shape of the runtime and the path', async () => {
  const bad = chat('x', { model: 'nobody' });
  const sglang = await start({ api_key: 'k' });
  const vllm = await start({ runtime: 'vllm' });
  const official = await start({ runtime: 'openai', api_key: 'k' });
  const key = { authorization: 'Bearer k' };
  const sglangBody = await bodyOf(post(sglang, '/v1/chat/completions', bad, key));
  assert.deepEqual([sglangBody.object, sglangBody.type, sglangBody.code], ['error', 'NotFoundError', 404]);
  const vllmBody = await bodyOf(post(vllm, '/v1/chat/completions', '{"model":'));
  assert.deepEqual([vllmBody.error.type, vllmBody.error.code], ['BadRequestError', 400]);
  const officialResponse = await post(official, '/v1/chat/completions', bad, { authorization: 'Bearer wrong' });
  const officialBody = await bodyOf(officialResponse);
  assert.deepEqual([officialResponse.status, officialBody.error.code], [401, 'invalid_api_key']);
  const anthropicBody = await bodyOf(post(vllm, '/v1/messages', { messages: [], max_tokens: 1 }));
  assert.deepEqual([anthropicBody.type, anthropicBody.error.type], ['error', 'invalid_request_error']);
  assert.deepEqual(await (await fetch(`${vllm.url}/nope`)).json(), { detail: 'Not Found' });
});

test('bad fields are refused and leave nothing behind', async () => {
  const sim = await start({ context_length: 100 });
  const cases: [string, unknown][] = [
    ['/v1/chat/completions', chat('x', { max_tokens: 0 })],
    ['/v1/chat/completions', chat('x', { n: 1.5 })],
    ['/v1/chat/completions', chat('x', { stop: [1] })],
    ['/v1/chat/completions', chat('x', { stream: 'yes' })],
    ['/v1/chat/completions', chat('x', { stream_options: {} })],
    ['/v1/chat/completions', chat('x '.repeat(101))],
    ['/v1/chat/completions', chat('x', { max_tokens: 100 })],
    ['/v1/chat/completions', chat('x', { tool_choice: { type: 'function', function: { name: 'none' } } })],
    ['/v1/chat/completions', { model: 'sim' }],
    ['/v1/chat/completions', '[]'],
    ['/v1/completions', { prompt: [] }],
    ['/v1/messages', { messages: [{ role: 'user', content: 'x' }] }],
    ['/v1/responses', {}],
    ['/v1/embeddings', { input: [{}] }],
    ['/rerank', { query: 'x', documents: [] }],
    ['/generate', { text: 'a', input_ids: [1] }],
  ];
  for (const [path, body] of cases) {
    const response = await post(sim, path, body);
    assert.equal(response.status, 400, `${path} ${JSON.stringify(body)}`);
    await response.arrayBuffer();
  }
  assert.equal((await post(sim, '/v1/chat/completions', chat('x'), { 'x-sim-itl': 'soon' })).status, 400);
  assert.equal(sim.stats().inFlight, 0);
  assert.equal(sim.stats().loads.usedTokens, 0);
});

test('the key is wanted on inference, in either header, and nowhere else', async () => {
  const sim = await start({ ...FAST, api_key: 'secret' });
  const path = '/v1/chat/completions';
  assert.equal((await post(sim, path, chat('x'))).status, 401);
  assert.equal((await post(sim, path, chat('x'), { authorization: 'Bearer secre' })).status, 401);
  assert.equal((await post(sim, path, chat('x'), { authorization: 'bearer secret' })).status, 200);
  assert.equal((await post(sim, path, chat('x'), { 'x-api-key': 'secret' })).status, 200);
  assert.equal((await fetch(`${sim.url}/health`)).status, 200);
  assert.equal((await fetch(`${sim.url}/v1/models`)).status, 200);
});

test('a client that leaves frees the engine at once, streamed or not', async () => {
  const sim = await start({ kv_blocks: 64, itl: '1s', ttft: 0 });
  for (const stream of [true, false]) {
    const controller = new AbortController();
    const request = fetch(`${sim.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify(chat('x', { stream })),
      signal: controller.signal,
    });
    if (stream) await request;
    await until(() => sim.stats().loads.running === 1);
    assert.ok(sim.stats().loads.usedTokens > 0);
    const aborted = sim.stats().aborted;
    controller.abort();
    await request.catch(() => undefined);
    await until(() => sim.stats().aborted === aborted + 1);
    const { loads, inFlight, lastAbortMs } = sim.stats();
    assert.deepEqual([loads.running, loads.usedTokens, inFlight], [0, 0, 0]);
    assert.ok(lastAbortMs !== undefined);
  }
});

test('load figures show what runs and waits', async () => {
  const sim = await start({ max_batch: 1, itl: '1s', ttft: 0 });
  const vllm = await start({ runtime: 'vllm', max_batch: 1, itl: '1s', ttft: 0 });
  const controller = new AbortController();
  for (const each of [sim, vllm]) {
    for (let i = 0; i < 2; i++) {
      fetch(`${each.url}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify(chat('x')),
        signal: controller.signal,
      }).catch(() => undefined);
    }
    await until(() => each.stats().loads.waiting === 1);
  }
  const loads = await bodyOf(fetch(`${sim.url}/v1/loads`));
  assert.deepEqual([loads.loads[0].num_running_reqs, loads.loads[0].num_waiting_reqs], [1, 1]);
  const [load] = await bodyOf(fetch(`${sim.url}/get_load`));
  assert.deepEqual([load.num_reqs, load.num_waiting_reqs], [2, 1]);
  assert.match(await (await fetch(`${sim.url}/metrics`)).text(), /^sglang:num_queue_reqs\{.*\} 1$/m);
  assert.match(await (await fetch(`${vllm.url}/metrics`)).text(), /^vllm:num_requests_running\{.*\} 1$/m);
  assert.deepEqual(await (await fetch(`${vllm.url}/load`)).json(), { server_load: 2 });
  controller.abort();
  await until(() => sim.stats().inFlight + vllm.stats().inFlight === 0);
});

test('headers of a request decide its length and pace', async () => {
  const sim = await start({ itl: '1m' });
  const headers = { 'x-sim-output-tokens': '300', 'x-sim-itl': '0', 'x-sim-ttft': '0' };
  const answer = await postJson(sim, '/v1/chat/completions', chat('x'), headers);
  assert.equal(answer.usage.completion_tokens, 300);
  const completion = await postJson(sim, '/v1/completions', { prompt: 'x' }, headers);
  assert.equal(completion.usage.completion_tokens, 300);
});

test('a client that does not read stops the writing, and gets everything when it does', async () => {
  const sim = await start({ ...FAST, context_length: 100_000 });
  const headers = { 'x-sim-output-tokens': '80000' };
  const response = await post(sim, '/v1/chat/completions', chat('x', { stream: true }), headers);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(sim.stats().inFlight, 1);
  assert.equal(sim.stats().totals.finished, 1, 'the engine itself is done');
  let bytes = 0;
  let tail = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    tail = (tail + Buffer.from(chunk).toString()).slice(-200);
  }
  assert.ok(bytes > 10_000_000);
  assert.match(tail, /data: \[DONE\]\n\n$/);
  assert.equal(sim.stats().completed, 1);
});

test('instant mode answers in the same shapes', async () => {
  const sim = await start({ instant: true, output_tokens: 12 });
  const client = openai(sim);
  const messages = [{ role: 'user' as const, content: 'say "max_tokens": 3' }];
  const whole = await client.chat.completions.create({ model: 'sim', messages });
  assert.equal(whole.usage?.completion_tokens, 12);
  let text = '';
  let chunks = 0;
  for await (const chunk of await client.chat.completions.create({ model: 'sim', messages, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? '';
    chunks += 1;
  }
  assert.equal(text, whole.choices[0]?.message.content);
  assert.equal(chunks, 14);
  const short = await client.completions.create({ model: 'sim', prompt: 'x', max_tokens: 3 });
  assert.equal(short.usage?.completion_tokens, 3);
  assert.equal(sim.stats().completed, 3);
});

test('the state endpoint counts, and shows no header value', async () => {
  const sim = await start(FAST);
  await postJson(sim, '/v1/chat/completions', chat('x'), { 'x-secret': 'marked-value' });
  assert.equal(sim.requests()[0]?.headers.get('x-secret'), 'marked-value');
  const text = await (await fetch(`${sim.url}/sim/state`)).text();
  assert.ok(!text.includes('marked-value'));
  const state = JSON.parse(text);
  assert.deepEqual([state.received, state.completed, state.in_flight, state.requests.length], [1, 1, 0, 1]);
});

test('the plugin starts an engine and stops it with its lifetime', async () => {
  const clock = new SystemClock();
  const httpServers: HttpServers = { listen: (address, accept) => openListener({ ...address, clock }, accept) };
  const disposals: (() => void | Promise<void>)[] = [];
  const lifetime = { onDispose: (dispose: () => void | Promise<void>) => void disposals.push(dispose) };
  assert.deepEqual([engineDefinition.kind, engineDefinition.type], ['engine', 'sim']);
  assert.deepEqual(engineDefinition.inject, [HttpServers, Clock, Logger]);
  const config = engineDefinition.configSchema.parse({ models: ['a', 'b'] });
  const engine = await engineDefinition.create(config, lifetime, httpServers, clock, SILENT_LOGGER);
  const running = await engine.start(lifetime);
  await running.ready;
  assert.deepEqual(running.models, ['a', 'b']);
  assert.equal((await fetch(`${running.url}/health`)).status, 200);
  for (const dispose of disposals.reverse()) await dispose();
  await assert.rejects(fetch(`${running.url}/health`));
});
