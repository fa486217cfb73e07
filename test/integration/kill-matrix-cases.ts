import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayFixture } from '../../core/testing/gateway-fixture.js';
import type { RawAnswer } from './raw-client.js';

/** The worker must see within this time that the client has left, ms. */
export const ABORT_LIMIT_MS = 100;

/** One client API of the matrix. */
export interface Api {
  readonly name: string;
  readonly path: string;
  readonly streams: boolean;
  readonly body: object;
}

/** The columns of the matrix, before protocol and streaming. */
export const APIS: readonly Api[] = [
  {
    name: 'chat',
    path: '/v1/chat/completions',
    streams: true,
    body: { model: 'm', messages: [{ role: 'user', content: 'Tell me something long' }], max_tokens: 64 },
  },
  { name: 'completions', path: '/v1/completions', streams: true, body: { model: 'm', prompt: 'Once', max_tokens: 64 } },
  {
    name: 'generate',
    path: '/generate',
    streams: true,
    body: { model: 'm', text: 'Once', sampling_params: { max_new_tokens: 64 } },
  },
  { name: 'embeddings', path: '/v1/embeddings', streams: false, body: { model: 'm', input: 'Once' } },
];

/** A whole error body with this status and code. */
export function assertError(answer: RawAnswer, status: number, code: string): void {
  assert.equal(answer.status, status, answer.body);
  assert.equal((JSON.parse(answer.body) as { error: { code: string } }).error.code, code);
  assert.equal(answer.complete, true);
}

/** A response that began and was cut: in band where it streams, a broken message otherwise. */
export function assertCut(answer: RawAnswer, stream: boolean): void {
  if (!stream) {
    if (answer.status === 200) assert.equal(answer.complete, false, 'a cut body looked complete');
    else assert.equal(answer.status, 502);
    return;
  }
  assert.equal(answer.status, 200);
  assert.doesNotMatch(answer.body, /\[DONE\]/);
  const events = answer.body.trim().split('\n\n');
  const last = events.at(-1) ?? '';
  const error = JSON.parse(last.replace(/^data: /, '')) as { error?: { code: string } };
  assert.ok(error.error?.code.startsWith('upstream_'), last);
}

/** Waits for something that must come true soon. */
export async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await sleep(2);
  }
  assert.fail(`never came true: ${condition}`);
}

/** Waits for a metric without labels to have this value. */
export async function untilMetric(gateway: GatewayFixture, name: string, value: number): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if ((await gateway.metricsText()).includes(`\n${name} ${value}\n`)) return;
    await sleep(2);
  }
  assert.fail(`${name} never became ${value}`);
}

/** Every counter that a request moves is back at zero. Ages are sampled: they tell what was up to 20 s ago. */
export async function settled(gateway: GatewayFixture): Promise<void> {
  await until(() => gateway.server.generation.streams === 0);
  for (const worker of gateway.server.services.registry.list()) assert.equal(worker.inFlight, 0);
  const metrics = await gateway.metricsText();
  for (const line of metrics.split('\n')) {
    if (/^smg_\w*(in_flight|inflight|active|queue_depth)\w*(\{| )/.test(line) && !/_bucket|_age_count/.test(line)) {
      assert.match(line, / 0$/, line);
    }
  }
}

/** Outcomes by phase and column, printed as a table. */
export class MatrixTable {
  readonly #results = new Map<string, Map<string, string>>();

  record(row: string, column: string, outcome: string): void {
    let cells = this.#results.get(row);
    if (cells === undefined) {
      cells = new Map();
      this.#results.set(row, cells);
    }
    cells.set(column, outcome);
  }

  print(): void {
    const columns = [...new Set([...this.#results.values()].flatMap((cells) => [...cells.keys()]))];
    const rows = [
      `| | ${columns.join(' | ')} |`,
      `|---|${columns.map(() => '---|').join('')}`,
      ...[...this.#results].map(
        ([row, cells]) => `| ${row} | ${columns.map((column) => cells.get(column) ?? '–').join(' | ')} |`,
      ),
    ];
    console.log(rows.join('\n'));
  }
}
