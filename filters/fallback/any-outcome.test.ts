import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ErrorCode } from '../../core/api/index.js';
import { assertClean, createBench, type ScriptedTurn } from './fallback-bench.fixture.js';

type Outcome =
  | { readonly kind: 'answer' | 'head'; readonly status: number }
  | { readonly kind: 'fail'; readonly code: ErrorCode }
  | { readonly kind: 'silence' };

const FIRST_TOKEN_MS = 5_000;
/** Statuses and codes after which the next cluster is asked, and the others. */
const GOES_ON = new Set<number | ErrorCode>([
  429,
  500,
  503,
  'upstream_reset',
  'upstream_connect_failed',
  'no_available_workers',
]);
const WORKERS_WORD = new Set<number | ErrorCode>(['upstream_reset', 'upstream_connect_failed']);

const arbitraryOutcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('answer' as const, 'head' as const),
    status: fc.constantFrom(200, 400, 401, 429, 500, 503),
  }),
  fc.record({
    kind: fc.constant('fail' as const),
    code: fc.constantFrom<ErrorCode>('upstream_reset', 'upstream_connect_failed', 'internal', 'no_available_workers'),
  }),
  fc.constant({ kind: 'silence' as const }),
);

/** What a reader of the manual expects: which clusters are asked, and what the client gets. */
function expected(outcomes: readonly Outcome[]): { readonly asked: number; readonly result: number | string } {
  let answer: number | undefined;
  let error: string | undefined;
  for (const [index, outcome] of outcomes.entries()) {
    const last = index === outcomes.length - 1;
    if (outcome.kind === 'silence') {
      if (last) return { asked: outcomes.length, result: 'silence' };
      error = 'upstream_timeout';
      continue;
    }
    const what = outcome.kind === 'fail' ? outcome.code : outcome.status;
    if (outcome.kind !== 'fail') {
      if (last || !GOES_ON.has(outcome.status)) return { asked: index + 1, result: outcome.status };
      answer = outcome.status;
      continue;
    }
    if (error === undefined || WORKERS_WORD.has(what) || !GOES_ON.has(what)) error = outcome.code;
    if (!GOES_ON.has(what)) return { asked: index + 1, result: error };
  }
  return { asked: outcomes.length, result: answer ?? error ?? '' };
}

function play(turn: ScriptedTurn, outcome: Outcome): void {
  if (outcome.kind === 'fail') turn.fail(outcome.code);
  else if (outcome.kind === 'answer') turn.answer(outcome.status, `body ${outcome.status}`);
  else if (outcome.kind === 'head') {
    turn.head(outcome.status);
    turn.data('begin');
  }
}

test('any outcomes: clusters in order, one answer, nothing after the first byte, nothing left open', () => {
  fc.assert(
    fc.property(
      fc.array(arbitraryOutcome, { minLength: 1, maxLength: 4 }),
      fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      fc.option(fc.nat(4)),
      (outcomes, atOnce, leaveAt) => {
        const to = ['b', 'c', 'd'].slice(0, outcomes.length - 1);
        const bench = createBench({ config: { to: [...to, 'a'], first_token: '5s' }, stream: true });
        const { response } = bench.harness;
        bench.onTurn = (turn, index) => {
          assert.equal(response.headers, undefined, 'a cluster was asked after the head went down');
          if (atOnce[index] === true) play(turn, outcomes[index] as Outcome);
        };
        bench.start();
        for (let index = 0; index < outcomes.length && !response.runEnded; index++) {
          if (leaveAt === index) break;
          const turn = bench.turns[index];
          if (turn === undefined) break;
          const outcome = outcomes[index] as Outcome;
          if (outcome.kind === 'silence') bench.clock.advance(FIRST_TOKEN_MS);
          else if (atOnce[index] !== true) play(turn, outcome);
        }
        const left = leaveAt !== null && !response.runEnded;
        if (left) {
          bench.harness.reset();
          assertClean(bench);
          return;
        }
        const { asked, result } = expected(outcomes);
        assert.equal(bench.asked, 'abcd'.slice(0, asked));
        if (result === 'silence') {
          assert.equal(response.headers, undefined);
          bench.harness.reset();
        } else if (typeof result === 'string') {
          assert.equal(response.json.error.code, result);
          assert.equal(response.ends, 1);
        } else {
          assert.equal(response.headers?.status, result);
          if (!response.runEnded) {
            for (const turn of bench.turns)
              if (!turn.destroyed && turn.cluster === bench.last.cluster) turn.data('', true);
            for (const turn of bench.turns) if (!turn.destroyed) turn.data('', true);
          }
          assert.equal(response.ends, 1);
          assert.ok(response.body === `body ${result}` || response.body === 'begin', response.body);
        }
        assertClean(bench);
      },
    ),
    { numRuns: 500 },
  );
});
