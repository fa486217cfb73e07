import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import type { FakeProvider } from '../fakes/fake-provider.js';
import { ABORT_LIMIT_MS, assertError, MatrixTable, settled, until } from './kill-matrix-cases.js';
import { type RawAnswer, type RawRequest, rawPost } from './raw-client.js';

/** What the worker does, and what the client must see of it. */
export interface WorkerFault<Script> {
  readonly name: string;
  readonly script: Script;
  /** Fault shows only in answers that stream. */
  readonly streamOnly?: boolean;
  check(answer: RawAnswer, stream: boolean): void;
}

/** A provider whose workers are to fail in every way. */
export interface MatrixProvider<Script> {
  /** As `provider` of a worker says it. */
  readonly name: string;
  readonly model: string;
  readonly key: string;
  start(): Promise<MatrixFake<Script>>;
  readonly faults: readonly WorkerFault<Script>[];
  /** Waits for ever before the first event of an answer. */
  readonly silent: Script;
  /** Waits for ever after some content. */
  readonly stalling: Script;
}

/** The provider's API on the loopback. */
export interface MatrixFake<Script> {
  readonly provider: FakeProvider;
  /** What the next answer is like. */
  script(script: Script): void;
}

/** A check that the client gets this error and nothing else. */
export function errorIs(status: number, code: string): (answer: RawAnswer) => void {
  return (answer) => assertError(answer, status, code);
}

/** Runs every fault of the worker, and the client's leaving, over every protocol. */
export function testKillMatrix<Script>(subject: MatrixProvider<Script>): void {
  const table = new MatrixTable();
  let fake: MatrixFake<Script>;
  let gateway: GatewayFixture;

  async function leave(row: string, column: string, request: RawRequest): Promise<void> {
    const { provider } = fake;
    const { aborted } = provider;
    const leftMs = performance.now();
    request.leave();
    await until(() => provider.aborted === aborted + 1);
    const delayMs = (provider.lastAbortMs ?? 0) - leftMs;
    assert.ok(delayMs < ABORT_LIMIT_MS, `the worker saw the abort after ${delayMs} ms`);
    await settled(gateway);
    table.record(row, column, `${delayMs.toFixed(0)} ms`);
  }

  describe(`kill matrix: a worker with the dialect of ${subject.name}`, () => {
    before(async () => {
      fake = await subject.start();
      gateway = await startGateway(
        `
clusters:
  - name: c
    health: off
    timeouts: { connect: 5s, first_byte: 300ms, idle: 300ms }
    workers: [{ url: "${fake.provider.url}", provider: ${subject.name}, api_key: $KEY, models: [${subject.model}] }]
    tls: { ca: $file:ca.pem }
resilience: { retry: off, circuit_breaker: off }
`,
        { env: { KEY: subject.key }, files: { 'ca.pem': fake.provider.ca } },
      );
    });

    after(async () => {
      await gateway.close();
      await fake.provider.close();
      table.print();
    });

    for (const protocol of ['h1', 'h2'] as const) {
      for (const stream of [false, true]) {
        const column = `${protocol} chat${stream ? ' stream' : ''}`;
        const body = { model: subject.model, messages: [{ role: 'user', content: 'Hi' }], stream };
        const post = (): RawRequest => rawPost(protocol, gateway.port, '/v1/chat/completions', body);

        for (const { name, script, streamOnly, check } of subject.faults) {
          if (streamOnly === true && !stream) continue;
          it(`${column}: worker ${name}`, async () => {
            fake.script(script);
            const answer = await post().answer;
            check(answer, stream);
            await settled(gateway);
            await until(() => fake.provider.inFlight === 0);
            table.record(`worker ${name}`, column, answer.status === 200 ? 'error event' : String(answer.status));
          });
        }

        it(`${column}: client leaves before the first event`, async () => {
          fake.script(subject.silent);
          const request = post();
          await until(() => fake.provider.inFlight === 1);
          await leave('client leaves before the first event', column, request);
        });

        if (!stream) continue;
        it(`${column}: client leaves in mid-stream`, async () => {
          fake.script(subject.stalling);
          const request = post();
          await request.firstByte;
          await leave('client leaves in mid-stream', column, request);
        });
      }
    }
  });
}
