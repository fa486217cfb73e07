import assert from 'node:assert/strict';
import { type AnthropicScenario, FAKE_ANTHROPIC_KEY, FakeAnthropic } from '../fakes/fake-anthropic.js';
import { assertCut } from './kill-matrix-cases.js';
import { errorIs, testKillMatrix, type WorkerFault } from './provider-kill-matrix.js';

/** `message_start`, a ping, the begin of the text and two pieces of it. */
const SOME = 5;

const answers = (status: number, type: string): AnthropicScenario => ({ error: { status, type, message: 'x' } });

const WORKER_FAULTS: readonly WorkerFault<AnthropicScenario>[] = [
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

testKillMatrix({
  name: 'anthropic',
  model: 'claude-sonnet-4-5',
  key: FAKE_ANTHROPIC_KEY,
  start: async () => {
    const fake = await FakeAnthropic.start();
    return {
      provider: fake.provider,
      script: (script) => {
        fake.script = script;
      },
    };
  },
  faults: WORKER_FAULTS,
  silent: { after: { events: 0, ending: 'hold' } },
  stalling: { after: { events: SOME, ending: 'hold' } },
});
