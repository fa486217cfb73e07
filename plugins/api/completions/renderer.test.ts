import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Delta } from '../../../core/api/inference.js';
import { jsonRequest } from '../../../core/testing/index.js';
import completions from './plugin.js';

function render(fields: object, deltas: readonly Delta[]): string {
  const api = completions.create({}, { onDispose: () => undefined });
  assert.ok(!(api instanceof Promise) && api.createRenderer);
  const request = jsonRequest({ model: 'm', prompt: 'p', ...fields }, api);
  const renderer = api.createRenderer(request, { responseId: 'cmpl-1', createdS: 17, model: 'm' });
  return deltas.map((delta) => renderer.delta(delta)?.toString() ?? '').join('') + renderer.end().toString();
}

const token = (text: string, logprob: number): Extract<Delta, { kind: 'text' }> => ({
  kind: 'text',
  choice: 0,
  text,
  logprobs: { content: [{ token: text, logprob, bytes: null, top: [{ token: 'x', logprob: -9, bytes: null }] }] },
});
const ANSWER: readonly Delta[] = [
  token('One', -1),
  { kind: 'content', choice: 1, text: 'Uno' },
  token(' two', -2),
  { kind: 'finish', choice: 0, reason: 'stop', matchedStop: '.' },
  { kind: 'finish', choice: 1, reason: 'length' },
  { kind: 'usage', usage: { promptTokens: 2, completionTokens: 3 } },
];
const HEAD = '"id":"cmpl-1","object":"text_completion","created":17,"model":"m"';

describe('completions renderer', () => {
  it('streams text chunks, offsets running on', () => {
    const lists = (text: string, logprob: number, offset: number): string =>
      `{"tokens":["${text}"],"token_logprobs":[${logprob}],"top_logprobs":[{"x":-9}],"text_offset":[${offset}]}`;
    const choices = [
      `{"text":"One","index":0,"logprobs":${lists('One', -1, 0)},"finish_reason":null}`,
      '{"text":"Uno","index":1,"logprobs":null,"finish_reason":null}',
      `{"text":" two","index":0,"logprobs":${lists(' two', -2, 3)},"finish_reason":null}`,
      '{"text":"","index":0,"logprobs":null,"finish_reason":"stop","matched_stop":"."}',
      '{"text":"","index":1,"logprobs":null,"finish_reason":"length"}',
    ];
    const usage = '{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}';
    const expected = choices.map((choice) => `data: {${HEAD},"choices":[${choice}],"usage":null}\n\n`).join('');
    assert.equal(
      render({ stream: true, stream_options: { include_usage: true } }, ANSWER),
      `${expected}data: {${HEAD},"choices":[],"usage":${usage}}\n\ndata: [DONE]\n\n`,
    );
  });

  it('collects the same deltas', () => {
    assert.deepEqual(JSON.parse(render({}, ANSWER)), {
      id: 'cmpl-1',
      object: 'text_completion',
      created: 17,
      model: 'm',
      choices: [
        {
          text: 'One two',
          index: 0,
          logprobs: {
            tokens: ['One', ' two'],
            token_logprobs: [-1, -2],
            top_logprobs: [{ x: -9 }, { x: -9 }],
            text_offset: [0, 3],
          },
          finish_reason: 'stop',
          matched_stop: '.',
        },
        { text: 'Uno', index: 1, logprobs: null, finish_reason: 'length' },
      ],
      usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
    });
  });

  it('take id and model from the worker, and drop what has no place in a text', () => {
    const deltas: Delta[] = [
      { kind: 'start', responseId: 'x', model: 'm-1' },
      { kind: 'keep_alive' },
      { kind: 'tool_call', choice: 0, index: 0, name: 'f' },
      { kind: 'refusal', choice: 0, text: 'No' },
      { kind: 'finish', choice: 0, reason: 'stop', providerReason: 'pause_turn' },
    ];
    const collected = JSON.parse(render({}, deltas));
    assert.deepEqual([collected.id, collected.model], ['cmpl-x', 'm-1']);
    assert.deepEqual(collected.choices, [
      { text: 'No', index: 0, logprobs: null, finish_reason: 'stop', provider_finish_reason: 'pause_turn' },
    ]);
    const [comment, ...events] = render({ stream: true }, deltas).split('\n\n');
    assert.equal(comment, ': keep-alive');
    const [first, second] = events.slice(0, 2).map((event) => JSON.parse(event.slice(6)));
    assert.deepEqual([first.id, first.model, first.choices[0].text], ['cmpl-x', 'm-1', 'No']);
    assert.equal(second.choices[0].provider_finish_reason, 'pause_turn');
  });
});
