import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { type AnthropicScenario, FAKE_ANTHROPIC_KEY, FakeAnthropic } from '../fakes/fake-anthropic.js';
import { assertCut, assertError, MatrixTable, settled, until } from './kill-matrix-cases.js';
import { type RawAnswer, rawPost } from './raw-client.js';

/** `message_start`, a ping, the begin of the text and two pieces of it. */
const SOME = 5;

/** What the worker does, and what the client must see of it. */
interface WorkerFault {
  readonly name: string;
  readonly script: AnthropicScenario;
  /** Fault shows only in answers that stream. */
  readonly streamOnly?: boolean;
  check(answer: RawAnswer, stream: boolean): void;
}

const errorIs = (status: number, code: string) => (answer: RawAnswer) => assertError(answer, status, code);
const answers = (status: number, type: string): AnthropicScenario => ({ error: { status, type, message: 'x' } });

const WORKER_FAULTS: readonly WorkerFault[] = [
  {
    name: 'stalls before the first event',
    script: { after: { events: 0, ending: 'hold' } },
    check: errorIs(504, 'upstream_timeout'),
  },
  {
    name: 'breaks before the first event',
    script: { after: { events: 0, ending: 'cut' } },
    check: errorIs(502, 'upstream_reset'),
  },
  {
    name: 'breaks before the first content',
    script: { after: { events: 3, ending: 'cut' } },
    check: errorIs(502, 'upstream_reset'),
  },
  {
    name: 'ends before the first content',
    script: { after: { events: 3, ending: 'end' } },
    streamOnly: true,
    check: errorIs(502, 'upstream_reset'),
  },
  {
    name: 'sends an error before the first content',
    script: { after: { events: 3, ending: 'error' } },
    streamOnly: true,
    check: errorIs(503, 'overloaded'),
  },
  {
    name: 'breaks in mid-stream',
    script: { after: { events: SOME, ending: 'cut' } },
    streamOnly: true,
    check: assertCut,
  },
  {
    name: 'stalls in mid-stream',
    script: { after: { events: SOME, ending: 'hold' } },
    streamOnly: true,
    check: assertCut,
  },
  {
    name: 'ends without a reason',
    script: { after: { events: SOME, ending: 'end' } },
    streamOnly: true,
    check: assertCut,
  },
  {
    name: 'sends garbage in mid-stream',
    script: { after: { events: SOME, ending: 'garbage' } },
    streamOnly: true,
    check: assertCut,
  },
  {
    name: 'sends an error in mid-stream',
    script: { after: { events: SOME, ending: 'error' } },
    streamOnly: true,
    check: (answer) => {
      assert.equal(answer.status, 200);
      assert.doesNotMatch(answer.body, /\[DONE\]|"finish_reason":"/);
      assert.match(answer.body.trim().split('\n\n').at(-1) ?? '', /^data: \{"error":.*"overloaded"/);
    },
  },
  { name: 'answers garbage', script: { raw: { text: 'oops' } }, check: errorIs(502, 'upstream_protocol_error') },
  { name: 'answers 429', script: answers(429, 'rate_limit_error'), check: errorIs(429, 'rate_limit_exceeded') },
  { name: 'answers 529', script: answers(529, 'overloaded_error'), check: errorIs(503, 'overloaded') },
  { name: 'answers 500', script: answers(500, 'api_error'), check: errorIs(500, 'upstream_error') },
];

const table = new MatrixTable();

describe('kill matrix: a worker with the dialect of Anthropic', () => {
  let fake: FakeAnthropic;
  let gateway: GatewayFixture;
  const body = { model: 'claude-sonnet-4-5', messages: [{ role: 'user', content: 'Hi' }] };

  before(async () => {
    fake = await FakeAnthropic.start();
    gateway = await startGateway(
      `
clusters:
  - name: c
    health: off
    timeouts: { connect: 5s, first_byte: 300ms, idle: 300ms }
    workers: [{ url: "${fake.provider.url}", provider: anthropic, api_key: $KEY, models: [claude-sonnet-4-5] }]
    tls: { ca: $file:ca.pem }
resilience: { retry: off, circuit_breaker: off }
`,
      { env: { KEY: FAKE_ANTHROPIC_KEY }, files: { 'ca.pem': fake.provider.ca } },
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
          fake.script = script;
          const answer = await post().answer;
          check(answer, stream);
          await settled(gateway);
          await until(() => fake.provider.inFlight === 0);
          table.record(`worker ${name}`, column, answer.status === 200 ? 'error event' : String(answer.status));
        });
      }

      it(`${column}: client leaves before the first event`, async () => {
        const { aborted } = fake.provider;
        fake.script = { after: { events: 0, ending: 'hold' } };
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
        fake.script = { after: { events: SOME, ending: 'hold' } };
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
