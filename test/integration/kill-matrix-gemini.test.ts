import assert from 'node:assert/strict';
import { FakeGemini, type GeminiScript } from '../fakes/fake-gemini.js';
import { googleError, quotaError } from '../fakes/gemini-errors.js';
import { assertCut } from './kill-matrix-cases.js';
import { errorIs, testKillMatrix, type WorkerFault } from './provider-kill-matrix.js';

const KEY = 'AIzaTest000000000000';
const PIECES = Array.from({ length: 4 }, (_, at) => ({
  parts: [{ text: `word${at} ` }],
  ...(at === 3 ? { finish: 'STOP' } : {}),
}));
const EVENT = `data: ${JSON.stringify({ candidates: [{ content: { parts: [{ text: 'a' }] } }] })}\r\n\r\n`;

const WORKER_FAULTS: readonly WorkerFault<GeminiScript>[] = [
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

testKillMatrix({
  name: 'gemini',
  model: 'gemini-2.5-flash',
  key: KEY,
  start: () => FakeGemini.start({ key: KEY }),
  faults: WORKER_FAULTS,
  silent: { error: { stream: [], ending: 'hold' } },
  stalling: { pieces: PIECES, cutAfter: 2, ending: 'hold' },
});
