import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { FakeGemini, type GeminiScript } from '../fakes/fake-gemini.js';
import { googleError, quotaError } from '../fakes/gemini-errors.js';
import { assertCut, assertError, MatrixTable, settled, until } from './kill-matrix-cases.js';
import { type RawAnswer, rawPost } from './raw-client.js';

const PIECES = Array.from({ length: 4 }, (_, at) => ({
  parts: [{ text: `word${at} ` }],
  ...(at === 3 ? { finish: 'STOP' } : {}),
}));
const EVENT = `data: ${JSON.stringify({ candidates: [{ content: { parts: [{ text: 'a' }] } }] })}\r\n\r\n`;

/** What the worker does, and what the client must see of it. */
interface WorkerFault {
  readonly name: string;
  readonly script: GeminiScript;
  /** Fault shows only in answers that stream. */
  readonly streamOnly?: boolean;
  check(answer: RawAnswer, stream: boolean): void;
}

const errorIs = (status: number, code: string) => (answer: RawAnswer) => assertError(answer, status, code);

const WORKER_FAULTS: readonly WorkerFault[] = [
  {
    name: 'stalls before the first event',
    script: { error: { stream: [], ending: 'hold' } },
    check: errorIs(504, 'upstream_timeout'),
  },
  {
    name: 'breaks before the first event',
    script: { error: { stream: [], ending: 'cut' } },
    check: errorIs(502, 'upstream_reset'),
  },
  {
    name: 'ends before the first event',
    script: { error: { stream: [] } },
    check: (answer) => assert.equal(answer.status, 502),
  },
  { name: 'breaks in mid-stream', streamOnly: true, script: { pieces: PIECES, cutAfter: 2 }, check: assertCut },
  {
    name: 'stalls in mid-stream',
    streamOnly: true,
    script: { pieces: PIECES, cutAfter: 2, ending: 'hold' },
    check: assertCut,
  },
  {
    name: 'ends without a reason',
    streamOnly: true,
    script: { pieces: PIECES, cutAfter: 2, ending: 'end' },
    check: assertCut,
  },
  {
    name: 'sends an error in mid-stream',
    streamOnly: true,
    script: { pieces: PIECES, cutAfter: 2, ending: { errorInStream: { error: { code: 500, status: 'INTERNAL' } } } },
    check: assertCut,
  },
  {
    name: 'sends garbage in mid-stream',
    streamOnly: true,
    script: { error: { stream: [EVENT, 'data: {oops\r\n\r\n'] } },
    check: assertCut,
  },
  { name: 'answers garbage', script: { error: { text: 'oops' } }, check: errorIs(502, 'upstream_protocol_error') },
  { name: 'answers 429', script: { error: quotaError('17s') }, check: errorIs(429, 'rate_limit_exceeded') },
  { name: 'answers 503', script: { error: googleError(503, 'UNAVAILABLE', 'x') }, check: errorIs(503, 'overloaded') },
  { name: 'answers 500', script: { error: googleError(500, 'INTERNAL', 'x') }, check: errorIs(500, 'upstream_error') },
];

const table = new MatrixTable();

describe('kill matrix: a worker with the dialect of Gemini', () => {
  let fake: FakeGemini;
  let gateway: GatewayFixture;
  const body = { model: 'gemini-2.5-flash', messages: [{ role: 'user', content: 'Hi' }] };

  before(async () => {
    fake = await FakeGemini.start();
    gateway = await startGateway(
      `
clusters:
  - name: c
    health: off
    timeouts: { connect: 5s, first_byte: 300ms, idle: 300ms }
    workers: [{ url: "${fake.provider.url}", provider: gemini, api_key: $KEY, models: [gemini-2.5-flash] }]
    tls: { ca: $file:ca.pem }
resilience: { retry: off, circuit_breaker: off }
`,
      { env: { KEY: fake.key }, files: { 'ca.pem': fake.provider.ca } },
    );
  });

  after(async () => {
    await gateway.close();
    await fake.close();
    table.print();
  });

  for (const protocol of ['h1', 'h2'] as const) {
    for (const stream of [false, true]) {
      const column = `${protocol} chat${stream ? ' stream' : ''}`;
      const post = (): ReturnType<typeof rawPost> =>
        rawPost(protocol, gateway.port, '/v1/chat/completions', { ...body, stream });

      for (const { name, script, streamOnly, check } of WORKER_FAULTS) {
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
        const { aborted } = fake.provider;
        fake.script({ error: { stream: [], ending: 'hold' } });
        const request = post();
        await until(() => fake.provider.inFlight === 1);
        request.leave();
        await until(() => fake.provider.aborted === aborted + 1);
        await settled(gateway);
        table.record('client leaves before the first event', column, 'ok');
      });

      if (!stream) continue;
      it(`${column}: client leaves in mid-stream`, async () => {
        const { aborted } = fake.provider;
        fake.script({ pieces: PIECES, cutAfter: 2, ending: 'hold' });
        const request = post();
        await request.firstByte;
        request.leave();
        await until(() => fake.provider.aborted === aborted + 1);
        await settled(gateway);
        table.record('client leaves in mid-stream', column, 'ok');
      });
    }
  }
});
