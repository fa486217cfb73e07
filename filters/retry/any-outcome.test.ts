import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ErrorCode, HeaderMap } from '../../core/api/index.js';
import { assertClean, createBench, type ScriptedAttempt } from './retry-bench.fixture.js';

type Outcome =
  | { readonly kind: 'answer' | 'head'; readonly status: number }
  | { readonly kind: 'fail'; readonly code: ErrorCode };

const arbitraryOutcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('answer' as const, 'head' as const),
    status: fc.constantFrom(200, 400, 429, 500, 503, 503, 502),
  }),
  fc.record({
    kind: fc.constant('fail' as const),
    code: fc.constantFrom<ErrorCode>(
      'upstream_reset',
      'upstream_connect_failed',
      'upstream_timeout',
      'internal',
      'overloaded',
    ),
  }),
);

const arbitraryStep = fc.record({
  outcome: arbitraryOutcome,
  /** Inside the call that opens the attempt. */
  atOnce: fc.boolean(),
  /** Longer than the longest wait, so that every turn moves something. */
  afterMs: fc.integer({ min: 200, max: 30_000 }),
  end: fc.constantFrom('data', 'trailers', 'fail'),
});

test('any outcomes: one answer, within the attempts, none after a head went down, nothing left open', () => {
  fc.assert(
    fc.property(
      fc.array(arbitraryStep, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 2, max: 5 }),
      fc.integer({ min: 0, max: 3 }),
      fc.option(fc.nat(12)),
      (steps, attempts, workers, leaveAfter) => {
        const bench = createBench({ workers, config: { attempts }, deadlineMs: 90_000 });
        const { response } = bench.harness;
        const play = (attempt: ScriptedAttempt, outcome: Outcome): void => {
          if (outcome.kind === 'fail') attempt.fail(outcome.code);
          else if (outcome.kind === 'answer') attempt.answer(outcome.status, `body ${outcome.status}`);
          else attempt.head(outcome.status);
        };
        const stepOf = (index: number) => steps[index % steps.length] as (typeof steps)[number];
        bench.onAttempt = (attempt, index) => {
          assert.equal(response.headers, undefined, 'an attempt after the head went down');
          if (stepOf(index).atOnce) play(attempt, stepOf(index).outcome);
        };
        bench.start();
        for (let turn = 0; turn < 30 && !response.runEnded; turn++) {
          if (turn === leaveAfter) bench.harness.reset();
          bench.clock.advance(stepOf(turn).afterMs);
          const open = bench.attempts.filter((attempt) => !attempt.destroyed);
          const attempt = open[turn % Math.max(open.length, 1)];
          if (attempt === undefined) continue;
          const step = stepOf(bench.attempts.indexOf(attempt));
          const begun =
            attempt.callbacks.run.attempt?.status !== 0 || attempt.callbacks.run.attempt.error !== undefined;
          if (!begun) play(attempt, step.outcome);
          else if (step.end === 'data') attempt.data('end', true);
          else if (step.end === 'trailers') attempt.callbacks.encodeTrailers(new HeaderMap());
          else attempt.fail('upstream_reset');
        }
        const left = leaveAfter !== null && response.ends === 0 && response.error === undefined;
        assert.ok(bench.attempts.length <= attempts);
        assert.equal(response.ends + (response.error === undefined ? 0 : 1), left ? 0 : 1);
        assertClean(bench);
      },
    ),
    { numRuns: 400 },
  );
});
