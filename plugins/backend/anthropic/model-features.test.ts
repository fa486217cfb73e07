import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ModelFeatureTable } from './model-features.js';
import { anthropicSettingsSchema } from './settings.js';

const table = (models: object[] = []): ModelFeatureTable =>
  new ModelFeatureTable(anthropicSettingsSchema.parse({ models }).models);

describe('what models can do', () => {
  // sampling, thinking, effort, structured output, prefill, PDF
  for (const [models, expected] of [
    [
      ['claude-2.1', 'claude-instant-1.2', 'claude-3-opus-20240229', 'claude-3-haiku-20240307'],
      'both none - - prefill -',
    ],
    [
      ['claude-3-5-sonnet-latest', 'claude-3.5-haiku', 'anthropic.claude-3-5-sonnet-20241022-v2:0'],
      'both none - - prefill pdf',
    ],
    [
      [
        'claude-3-7-sonnet-20250219',
        'claude-opus-4-20250514',
        'claude-sonnet-4',
        'claude-sonnet-4-0',
        'claude-sonnet-4@20250514',
        'us.anthropic.claude-sonnet-4-20250514-v1:0',
        'anthropic/claude-opus-4',
      ],
      'both budget - - prefill pdf',
    ],
    [['claude-opus-4-1', 'claude-opus-4-1-20250805', 'claude-opus-4.1'], 'one budget - - prefill pdf'],
    [['claude-sonnet-4-5', 'claude-haiku-4-5-20251001', 'claude-sonnet-4.5'], 'one budget - schema prefill pdf'],
    [['claude-opus-4-5-20251101'], 'one budget effort schema prefill pdf'],
    [['claude-opus-4-6', 'claude-sonnet-4-6'], 'one both effort schema - pdf'],
    [
      [
        'claude-opus-4-7',
        'claude-opus-4-8',
        'claude-opus-5',
        'claude-sonnet-5-5',
        'claude-opus-4-10',
        'claude-fable-7',
        'unheard-of',
      ],
      'none adaptive effort schema - pdf',
    ],
  ] as const) {
    for (const model of models) {
      it(`${model}: ${expected}`, () => {
        const { sampling, thinking, effort, structured_output, prefill, pdf, image_url, max_output_tokens } =
          table().of(model);
        const shown = [effort && 'effort', structured_output && 'schema', prefill && 'prefill', pdf && 'pdf'];
        assert.equal([sampling, thinking, ...shown.map((word) => word || '-')].join(' '), expected);
        assert.deepEqual([image_url, max_output_tokens], [true, undefined]);
      });
    }
  }

  it('is corrected by settings, of which later ones win', () => {
    const features = table([
      { match: 'Claude-Opus-*', max_output_tokens: 9 },
      { match: 'claude-*', thinking: 'none', pdf: false },
      { match: 'claude-opus-4-7', thinking: 'both' },
    ]).of('claude-opus-4-7');
    assert.deepEqual(
      [features.thinking, features.pdf, features.max_output_tokens, features.sampling],
      ['both', false, 9, 'none'],
    );
    assert.equal(table([{ match: 'a.b*', pdf: false }]).of('aXbc').pdf, true);
  });

  it('is remembered for a bounded number of names', () => {
    const remembering = table();
    const first = remembering.of('claude-a');
    assert.equal(remembering.of('claude-a'), first);
    for (let i = 0; i < 2000; i++) remembering.of(`claude-${i}`);
    assert.notEqual(remembering.of('claude-a'), first);
  });
});
