import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { InferenceRequest } from '../../../core/api/index.js';
import { jsonRequest } from '../../../core/testing/index.js';
import { prepareXaiResponses } from '../xai/responses-input.js';
import { Treatment, treatmentSchema } from './treatment.js';

function read(body: object, type = 'chat'): InferenceRequest {
  return jsonRequest(body, { type, requestFormat: 'json', requiresModel: false });
}

function treated(settings: object, body: object, type?: string): unknown {
  const request = read(body, type);
  const treatment = new Treatment(treatmentSchema('max_tokens').parse(settings));
  treatment.apply(request);
  const once = request.bytes().toString();
  treatment.apply(request);
  assert.equal(request.bytes().toString(), once, 'twice changes nothing');
  return JSON.parse(once);
}

describe('the treatment of requests for cloud APIs', () => {
  it('removes what only engines know and keeps the rest', () => {
    const body = { model: 'm', top_k: 1, rid: 'r', guided_json: {}, temperature: 1, my_field: { deep: [1] } };
    assert.deepEqual(treated({}, body), { model: 'm', temperature: 1, my_field: { deep: [1] } });
    assert.deepEqual(treated({ strip_engine_fields: false }, body), body);
  });

  it('leaves the bytes of a request alone that has nothing to change', () => {
    const request = read({ model: 'm', messages: [], max_tokens: 3 });
    const { length } = request.bytes();
    const before = request.bytes();
    new Treatment(treatmentSchema('max_tokens').parse({})).apply(request);
    assert.equal(request.bytes(), before);
    assert.equal(request.bytes().length, length);
  });

  it('calls the limit of tokens what the service calls it, in chat only', () => {
    assert.deepEqual(treated({}, { max_completion_tokens: 5 }), { max_tokens: 5 });
    assert.deepEqual(treated({}, { max_completion_tokens: 5, max_tokens: 6 }), { max_tokens: 6 });
    assert.deepEqual(treated({ max_tokens_field: 'max_completion_tokens' }, { max_tokens: 5 }), {
      max_completion_tokens: 5,
    });
    assert.deepEqual(treated({ max_tokens_field: 'as_sent' }, { max_tokens: 5 }), { max_tokens: 5 });
    const completion = { max_tokens: 5 };
    assert.deepEqual(treated({ max_tokens_field: 'max_completion_tokens' }, completion, 'completions'), completion);
  });

  it('drops, renames, adds and renames roles as configured', () => {
    const settings = {
      drop: ['store'],
      rename: { seed: 'random_seed' },
      set: { safe: true, user: 'x' },
      roles: { developer: 'system' },
    };
    const body = { store: true, seed: 1, user: 'me', messages: [{ role: 'developer', content: 'developer' }, 3] };
    assert.deepEqual(treated(settings, body), {
      random_seed: 1,
      user: 'me',
      messages: [{ role: 'system', content: 'developer' }, 3],
      safe: true,
    });
  });
});

describe('input of the Responses API for xAI', () => {
  it('loses ids and states; texts of answers become texts of input, with their annotations', () => {
    const request = read(
      {
        input: [
          {
            id: 'msg_1',
            status: 'completed',
            role: 'assistant',
            content: [
              { type: 'output_text', text: 'a', annotations: [1] },
              { type: 'refusal', refusal: 'no' },
              { type: 'input_image', image_url: 'u' },
            ],
          },
          { role: 'user', content: 'plain' },
          'odd',
        ],
      },
      'responses',
    );
    prepareXaiResponses(request);
    assert.deepEqual(request.json().input, [
      {
        role: 'assistant',
        content: [
          { type: 'input_text', text: 'a', annotations: [1] },
          { type: 'refusal', refusal: 'no' },
          { type: 'input_image', image_url: 'u' },
        ],
      },
      { role: 'user', content: 'plain' },
      'odd',
    ]);
  });

  it('is left alone where it is a text, or another api', () => {
    for (const [body, api] of [
      [{ input: 'text' }, 'responses'],
      [{ input: [{ id: 1 }] }, 'chat'],
      [{}, 'responses'],
    ] as const) {
      const request = read(body, api);
      const before = request.bytes();
      prepareXaiResponses(request);
      assert.equal(request.bytes(), before);
    }
  });
});
