import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../../core/api/errors.js';
import { read, refused } from './conversation.fixture.js';
import { readChatConversation } from './conversation.js';

describe('settings of a chat request', () => {
  it('default to nothing', () => {
    const { turns: _, ...rest } = read({});
    assert.deepEqual(rest, { tools: [], sampling: {}, stop: [], choices: 1, stream: false, extra: {} });
  });

  it('are read each into its place, and the rest is kept', () => {
    const thinking = { type: 'enabled', budget_tokens: 2048 };
    const { turns: _, ...rest } = read({
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 5,
      max_completion_tokens: 7,
      temperature: 1.4,
      top_p: 0.5,
      top_k: -1,
      seed: 3,
      frequency_penalty: 1,
      presence_penalty: -1,
      logit_bias: { 5: 1 },
      stop: ['a', 'b'],
      n: 2,
      logprobs: true,
      top_logprobs: 3,
      parallel_tool_calls: false,
      reasoning_effort: 'xhigh',
      thinking,
      response_format: { type: 'json_schema', json_schema: { name: 's', schema: { type: 'object' }, strict: true } },
      modalities: ['Text', 'IMAGE'],
      audio: { voice: 'alloy' },
      web_search_options: {},
      user: 'u',
      safety_identifier: 's',
      service_tier: 'flex',
      store: false,
      metadata: null,
      safety_settings: [1],
    });
    assert.deepEqual(rest, {
      tools: [],
      parallelToolCalls: false,
      maxTokens: 7,
      sampling: {
        temperature: 1.4,
        topP: 0.5,
        topK: -1,
        seed: 3,
        frequencyPenalty: 1,
        presencePenalty: -1,
        logitBias: { 5: 1 },
      },
      stop: ['a', 'b'],
      choices: 2,
      logprobs: { top: 3 },
      reasoning: { effort: 'xhigh', mode: 'enabled', budgetTokens: 2048, thinking },
      responseFormat: { kind: 'json_schema', name: 's', schema: { type: 'object' }, strict: true },
      modalities: ['text', 'image'],
      audio: { voice: 'alloy' },
      webSearch: {},
      user: 'u',
      serviceTier: 'flex',
      stream: true,
      extra: { store: false, safety_settings: [1] },
    });
    assert.equal(read({ max_tokens: 5 }).maxTokens, 5);
    assert.equal(read({ safety_identifier: 's' }).user, 's');
    assert.deepEqual(read({ stop: 'x' }).stop, ['x']);
    assert.deepEqual(read({ logprobs: true }).logprobs, { top: 0 });
    assert.equal(read({ logprobs: false }).logprobs, undefined);
    assert.equal(read({ response_format: { type: 'text' } }).responseFormat, undefined);
    assert.deepEqual(read({ response_format: { type: 'json_object' } }).responseFormat, { kind: 'json_object' });
  });

  it('that are wrong are refused with their name', () => {
    for (const name of [
      'max_tokens',
      'max_completion_tokens',
      'temperature',
      'top_p',
      'top_k',
      'seed',
      'n',
      'frequency_penalty',
      'presence_penalty',
    ]) {
      refused({ [name]: '1' }, 'invalid_type', name);
    }
    for (const name of ['logit_bias', 'audio', 'web_search_options', 'thinking', 'response_format', 'stream_options']) {
      refused({ [name]: 1 }, 'invalid_type', name);
    }
    for (const name of ['tools', 'functions', 'modalities']) refused({ [name]: {} }, 'invalid_type', name);
    for (const name of ['user', 'safety_identifier', 'service_tier', 'reasoning_effort']) {
      refused({ [name]: 1 }, 'invalid_type', name);
    }
    refused({ max_tokens: 0 }, 'invalid_value', 'max_tokens');
    refused({ max_tokens: 1.5 }, 'invalid_type', 'max_tokens');
    refused({ n: 0 }, 'invalid_value', 'n');
    refused({ stop: [1] }, 'invalid_type', 'stop[0]');
    refused({ stop: 1 }, 'invalid_type', 'stop');
    refused({ top_logprobs: 1 }, 'invalid_value', 'top_logprobs');
    refused({ reasoning_effort: 'huge' }, 'invalid_value', 'reasoning_effort');
    refused({ response_format: {} }, 'missing_required_parameter', 'response_format.type');
    refused({ response_format: { type: 'xml' } }, 'invalid_value', 'response_format.type');
    refused({ response_format: { type: 'json_schema' } }, 'missing_required_parameter', 'response_format.json_schema');
    refused(
      { response_format: { type: 'json_schema', json_schema: { name: '' } } },
      'invalid_value',
      'response_format.json_schema.name',
    );
    refused({ stream_options: {} }, 'invalid_value', 'stream_options');
  });
});

describe('any JSON', () => {
  const names = [
    'messages',
    'role',
    'content',
    'type',
    'text',
    'tools',
    'function',
    'name',
    'tool_calls',
    'image_url',
    'url',
    'file',
    'tool_choice',
    'stop',
    'thinking',
    'response_format',
  ];
  const words = ['user', 'assistant', 'tool', 'text', 'function', 'image_url', 'file', 'auto', 'data:,', 'https://h/a'];
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom(...words),
      fc.constantFrom(null, true, 0, 1.5, ''),
      fc.array(tie('json'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie('json'), { maxKeys: 5 }),
    ),
  }));

  it('is read, or refused with a 400 that names a field', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...names), json),
        fc.array(json, { maxLength: 3 }),
        (body, messages) => {
          try {
            assert.ok(readChatConversation({ ...body, messages }, true).turns.length > 0);
          } catch (error) {
            assert.ok(GatewayError.is(error), String(error));
            assert.equal(error.status, 400);
            assert.ok(error.param !== undefined && error.message.includes(`'${error.param}`), error.message);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
