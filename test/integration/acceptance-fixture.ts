import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';

/** An answer of the gateway. `json`: the body, parsed where it is JSON. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of many shapes, whose fields the tests assert.
  readonly json: any;
}

/** One gateway with simulated engines, and the calls of a client; `close` ends all of them. */
export class Fleet {
  readonly #open: { close(): Promise<void> }[] = [];
  #gateway: GatewayFixture | undefined = undefined;

  /** A quick engine. */
  async sim(options: Parameters<typeof startTestSim>[0] = {}): Promise<RunningSim> {
    const sim = await startTestSim({ models: ['m'], ttft: '1ms', itl: 0, output_tokens: '4', ...options });
    this.#open.push(sim);
    return sim;
  }

  /** The URL of an engine that is there no more. */
  async deadUrl(): Promise<string> {
    const sim = await startTestSim();
    await sim.close();
    return sim.url;
  }

  async start(yaml = ''): Promise<GatewayFixture> {
    this.#gateway = await startGateway(yaml);
    this.#open.push(this.#gateway);
    return this.#gateway;
  }

  get gateway(): GatewayFixture {
    assert.ok(this.#gateway !== undefined, 'start a gateway first');
    return this.#gateway;
  }

  /** Newest first. */
  async close(): Promise<void> {
    for (const thing of this.#open.splice(0).reverse()) await thing.close();
    this.#gateway = undefined;
  }

  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(this.gateway.url + path, {
      method,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, json: text.startsWith('{') ? JSON.parse(text) : text };
  }

  chat(model = 'm', headers: Record<string, string> = {}): Promise<Answer> {
    return this.call(
      'POST',
      '/v1/chat/completions',
      { model, messages: [{ role: 'user', content: 'hello' }] },
      headers,
    );
  }

  /** Statuses of requests that are sent one after the other. */
  async statuses(count: number, model = 'm'): Promise<number[]> {
    const statuses: number[] = [];
    for (let i = 0; i < count; i++) statuses.push((await this.chat(model)).status);
    return statuses;
  }

  /** Adds a worker and waits until it serves. */
  async add(record: object): Promise<Answer> {
    const answer = await this.call('POST', '/workers?wait=true', record);
    assert.equal(answer.status, 200, JSON.stringify(answer.json));
    return answer;
  }

  /** What the admin API says of a worker, once it says this. */
  async until(id: string, matches: (view: Answer['json']) => boolean): Promise<Answer['json']> {
    let view: Answer['json'];
    for (let i = 0; i < 1_000; i++) {
      view = (await this.call('GET', `/workers/${id}`)).json;
      if (matches(view)) return view;
      await sleep(10);
    }
    assert.fail(`never: ${JSON.stringify(view)}`);
  }
}
