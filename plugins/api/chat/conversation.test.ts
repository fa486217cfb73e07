import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Conversation } from '../../../core/api/conversation.js';
import { GatewayError } from '../../../core/api/errors.js';
import { readChatConversation } from './conversation.js';

const USER = { role: 'user', content: 'Hi' };
const TOOLS = [{ type: 'function', function: { name: 'f' } }];

function read(fields: object): Conversation {
  return readChatConversation({ model: 'm', messages: [USER], ...fields }, 'stream' in fields);
}

function parts(...messages: object[]): unknown {
  return read({ messages }).turns.map((turn) => turn.parts);
}

function refused(fields: object, code: string, param: string, message?: string): void {
  assert.throws(
    () => read(fields),
    (error) => {
      assert.ok(GatewayError.is(error), String(error));
      assert.deepEqual([error.code, error.param], [code, param], error.message);
      assert.equal(error.status, 400);
      if (message !== undefined) assert.equal(error.message, message);
      return true;
    },
  );
}

describe('messages of a chat request', () => {
  it('keep their order, roles and names', () => {
    const { turns } = read({
      messages: [
        { role: 'system', content: 'a' },
        { role: 'user', content: [{ type: 'text', text: 'b' }], name: 'Ann' },
        { role: 'developer', content: 'c' },
        { role: 'assistant', content: null },
      ],
    });
    assert.deepEqual(turns, [
      { role: 'system', parts: [{ kind: 'text', text: 'a', param: 'messages[0].content' }], param: 'messages[0]' },
      {
        role: 'user',
        parts: [{ kind: 'text', text: 'b', param: 'messages[1].content[0]' }],
        param: 'messages[1]',
        name: 'Ann',
      },
      { role: 'system', parts: [{ kind: 'text', text: 'c', param: 'messages[2].content' }], param: 'messages[2]' },
      { role: 'assistant', parts: [], param: 'messages[3]' },
    ]);
  });

  it('carry cache marks of parts, messages and tools', () => {
    const mark = { type: 'ephemeral' };
    const { turns, tools } = read({
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'a', cache_control: mark }] },
        { role: 'user', content: 'b', cache_control: mark },
      ],
      tools: [{ ...TOOLS[0], cache_control: mark }],
    });
    assert.deepEqual(
      turns.map((turn) => turn.parts[0]?.cacheControl),
      [mark, mark],
    );
    assert.deepEqual(tools, [{ kind: 'function', name: 'f', cacheControl: mark, param: 'tools[0]' }]);
  });

  it('hold media of every kind', () => {
    const pdf = Buffer.from('%PDF-1.7').toString('base64');
    const content = [
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
      { type: 'image_url', image_url: { url: 'https://h/a.png' } },
      { type: 'image_url', image_url: 'gs://bucket/a.png' },
      { type: 'image_url', image_url: { url: `data:application/pdf;base64,${pdf}` } },
      { type: 'image_url', image_url: { url: 'https://h/a.PDF?x=1' } },
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
      { type: 'audio_url', audio_url: { url: 'https://h/a.mp3' } },
      { type: 'video_url', video_url: { url: 'data:video/mp4;base64,AAAA' } },
      { type: 'file', file: { filename: 'a.pdf', file_data: `data:application/pdf;base64,${pdf}` } },
      { type: 'file', file: { filename: 'a.txt', file_data: 'data:text/plain;base64,aMOp' } },
      { type: 'file', file: { filename: 'a.md', file_data: 'aMOp' } },
      { type: 'file', file: { file_data: pdf } },
      { type: 'file', file: { file_data: 'data:image/gif;base64,AAAA' } },
      { type: 'file', file: { file_id: 'file-1' } },
    ];
    const at = (index: number): string => `messages[0].content[${index}]`;
    const url = (text: string): object => ({ kind: 'url', url: text });
    const data = (mediaType: string, text = 'AAAA'): object => ({ kind: 'base64', mediaType, data: text });
    assert.deepEqual(parts({ role: 'user', content }), [
      [
        { kind: 'image', source: data('image/png'), detail: 'low', param: at(0) },
        { kind: 'image', source: url('https://h/a.png'), param: at(1) },
        { kind: 'image', source: url('gs://bucket/a.png'), param: at(2) },
        { kind: 'document', source: data('application/pdf', pdf), param: at(3) },
        { kind: 'document', source: url('https://h/a.PDF?x=1'), param: at(4) },
        { kind: 'audio', source: data('audio/wav'), param: at(5) },
        { kind: 'audio', source: url('https://h/a.mp3'), param: at(6) },
        { kind: 'video', source: data('video/mp4'), param: at(7) },
        { kind: 'document', source: data('application/pdf', pdf), title: 'a.pdf', param: at(8) },
        {
          kind: 'document',
          source: { kind: 'text', mediaType: 'text/plain', text: 'hé' },
          title: 'a.txt',
          param: at(9),
        },
        {
          kind: 'document',
          source: { kind: 'text', mediaType: 'text/markdown', text: 'hé' },
          title: 'a.md',
          param: at(10),
        },
        { kind: 'document', source: data('application/pdf', pdf), param: at(11) },
        { kind: 'image', source: data('image/gif'), param: at(12) },
        { kind: 'document', source: { kind: 'file', fileId: 'file-1' }, param: at(13) },
      ],
    ]);
  });

  it('of the assistant hold thoughts, texts, refusals, images and calls', () => {
    const message = {
      role: 'assistant',
      reasoning_content: 'all of it',
      thinking_blocks: [
        { type: 'thinking', thinking: 'hm', signature: 'c2ln' },
        { type: 'redacted_thinking', data: 'eHh4' },
        { type: 'thinking', thinking: 'g', signature: 'Z2Vt', vendor: 'gemini' },
        { type: 'thinking', thinking: 'unsigned' },
      ],
      content: [
        { type: 'text', text: 'a' },
        { type: 'refusal', refusal: 'b' },
      ],
      refusal: 'c',
      images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }],
      audio: { id: 'audio_1' },
      tool_calls: [
        {
          id: 'call_1__thought__eA==',
          type: 'function',
          function: { name: 'f', arguments: '{"a":' },
          extra_content: { google: { thought_signature: 'eA==' } },
        },
        { id: 'call_2', type: 'custom', custom: { name: 'g', input: 'text' } },
        { id: 'call_3', function: { name: 'h' } },
      ],
    };
    const of = (name: string): string => `messages[0].${name}`;
    assert.deepEqual(parts(message), [
      [
        { kind: 'reasoning', text: 'hm', vendor: 'anthropic', signature: 'c2ln', param: of('thinking_blocks[0]') },
        { kind: 'redacted_reasoning', vendor: 'anthropic', data: 'eHh4', param: of('thinking_blocks[1]') },
        { kind: 'reasoning', text: 'g', vendor: 'gemini', signature: 'Z2Vt', param: of('thinking_blocks[2]') },
        { kind: 'reasoning', text: 'unsigned', param: of('thinking_blocks[3]') },
        { kind: 'text', text: 'a', param: of('content[0]') },
        { kind: 'refusal', text: 'b', param: of('content[1]') },
        { kind: 'refusal', text: 'c', param: of('refusal') },
        { kind: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' }, param: of('images[0]') },
        { kind: 'vendor', vendor: 'openai', data: { audio: { id: 'audio_1' } }, param: of('audio') },
        {
          kind: 'tool_call',
          id: 'call_1__thought__eA==',
          name: 'f',
          arguments: '{"a":',
          signature: 'eA==',
          param: of('tool_calls[0]'),
        },
        { kind: 'tool_call', id: 'call_2', name: 'g', arguments: 'text', custom: true, param: of('tool_calls[1]') },
        { kind: 'tool_call', id: 'call_3', name: 'h', arguments: '', param: of('tool_calls[2]') },
      ],
    ]);
    for (const name of ['reasoning_content', 'reasoning']) {
      assert.deepEqual(parts({ role: 'assistant', content: '', [name]: 'hm' }), [
        [
          { kind: 'reasoning', text: 'hm', param: of(name) },
          { kind: 'text', text: '', param: of('content') },
        ],
      ]);
    }
  });

  it('of tools say which call they answer, and whether it failed', () => {
    const messages = [
      USER,
      { role: 'tool', tool_call_id: 'a', content: 'x', is_error: true, name: 'f' },
      { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: 'y' }] },
    ];
    assert.deepEqual(read({ messages }).turns.slice(1), [
      {
        role: 'tool',
        parts: [
          {
            kind: 'tool_result',
            callId: 'a',
            name: 'f',
            isError: true,
            content: [{ kind: 'text', text: 'x', param: 'messages[1].content' }],
            param: 'messages[1]',
          },
        ],
        param: 'messages[1]',
      },
      {
        role: 'tool',
        parts: [
          {
            kind: 'tool_result',
            callId: 'b',
            content: [{ kind: 'text', text: 'y', param: 'messages[2].content[0]' }],
            param: 'messages[2]',
          },
        ],
        param: 'messages[2]',
      },
    ]);
  });

  it('with function_call get ids from their places, and results find them by name', () => {
    const call = (name: string): object => ({ role: 'assistant', content: null, function_call: { name } });
    const result = (name: string): object => ({ role: 'function', name, content: 'r' });
    const { turns } = read({ messages: [USER, call('f'), call('g'), result('g'), result('f'), result('f')] });
    const ids = turns.slice(1).map(({ parts: [part] }) => {
      if (part?.kind === 'tool_call') return part.id;
      return part?.kind === 'tool_result' ? part.callId : undefined;
    });
    assert.deepEqual(ids, ['toolu_fn_1', 'toolu_fn_2', 'toolu_fn_2', 'toolu_fn_1', 'toolu_fn_5']);
  });

  it('that are wrong are refused with their path', () => {
    const messages = (...list: unknown[]): object => ({ messages: list });
    refused({ messages: undefined }, 'missing_required_parameter', 'messages');
    refused({ messages: 'x' }, 'invalid_type', 'messages');
    refused(messages(), 'invalid_value', 'messages');
    refused(messages('x'), 'invalid_type', 'messages[0]');
    refused(messages({ content: 'x' }), 'missing_required_parameter', 'messages[0].role');
    refused(messages({ role: 'robot', content: 'x' }), 'invalid_value', 'messages[0].role');
    refused(messages(USER, { role: 'user' }), 'missing_required_parameter', 'messages[1].content');
    refused(messages({ role: 'user', content: 5 }), 'invalid_type', 'messages[0].content');
    refused(messages({ role: 'user', content: [5] }), 'invalid_type', 'messages[0].content[0]');
    refused(messages({ role: 'tool', content: 'x' }), 'missing_required_parameter', 'messages[0].tool_call_id');
    refused(
      messages({ role: 'assistant', tool_calls: [{ id: 'a' }] }),
      'missing_required_parameter',
      'messages[0].tool_calls[0].function',
    );
    refused(
      messages({ role: 'assistant', tool_calls: [{ id: 'a', function: { name: 'f', arguments: {} } }] }),
      'invalid_type',
      'messages[0].tool_calls[0].function.arguments',
      "Invalid type for 'messages[0].tool_calls[0].function.arguments': expected a string, but got an object",
    );
    const part = (value: object, role = 'user'): object => messages({ role, content: [value] });
    refused(part({ text: 'x' }), 'missing_required_parameter', 'messages[0].content[0].type');
    refused(part({ type: 'smell' }), 'invalid_value', 'messages[0].content[0].type');
    refused(
      part({ type: 'image_url', image_url: { url: 'https://h/a' } }, 'system'),
      'invalid_value',
      'messages[0].content[0].type',
      "Invalid value for 'messages[0].content[0].type': 'image_url' is none of 'text'",
    );
    refused(
      part({ type: 'image_url', image_url: { url: 'x' } }),
      'invalid_image_url',
      'messages[0].content[0].image_url.url',
    );
    refused(
      part({ type: 'image_url', image_url: { url: 'data:image/png;base64,$' } }),
      'invalid_image_url',
      'messages[0].content[0].image_url.url',
    );
    refused(part({ type: 'file', file: {} }), 'missing_required_parameter', 'messages[0].content[0].file.file_data');
    refused(
      part({ type: 'file', file: { file_data: 'AAAA' } }),
      'invalid_value',
      'messages[0].content[0].file.file_data',
    );
    refused(
      part({ type: 'file', file: { file_data: 'data:text/plain;base64,/w==' } }),
      'invalid_value',
      'messages[0].content[0].file.file_data',
    );
    refused(
      part({ type: 'input_audio', input_audio: { data: '$', format: 'wav' } }),
      'invalid_value',
      'messages[0].content[0].input_audio.data',
    );
  });
});

describe('tools of a chat request', () => {
  it('are functions, custom tools and those of vendors', () => {
    const parameters = { type: 'object' };
    const vendor = { type: 'google_search', google_search: {} };
    const { tools } = read({
      tools: [
        { type: 'function', function: { name: 'f', description: 'd', parameters, strict: true } },
        { type: 'custom', custom: { name: 'g', description: 'd', format: { type: 'text' } } },
        vendor,
      ],
    });
    assert.deepEqual(tools, [
      { kind: 'function', name: 'f', description: 'd', parameters, strict: true, param: 'tools[0]' },
      { kind: 'custom', name: 'g', description: 'd', format: { type: 'text' }, param: 'tools[1]' },
      { kind: 'vendor', type: 'google_search', data: vendor, param: 'tools[2]' },
    ]);
    assert.deepEqual(read({ functions: [{ name: 'f' }] }).tools, [
      { kind: 'function', name: 'f', param: 'functions[0]' },
    ]);
    const messages = [{ role: 'developer', content: '', tools: TOOLS }, USER];
    assert.deepEqual(read({ messages }).tools, [{ kind: 'function', name: 'f', param: 'messages[0].tools[0]' }]);
  });

  it('are chosen in every form', () => {
    const choice = (value: unknown, fields: object = { tools: TOOLS }): unknown =>
      read({ ...fields, tool_choice: value }).toolChoice;
    assert.equal(read({ tools: TOOLS }).toolChoice, undefined);
    assert.deepEqual(choice('auto'), { mode: 'auto' });
    assert.deepEqual(choice('required'), { mode: 'required' });
    assert.deepEqual(choice('none', {}), { mode: 'none' });
    assert.deepEqual(choice({ type: 'function', function: { name: 'f' } }), { mode: 'tool', name: 'f' });
    const custom = { tools: [{ type: 'custom', custom: { name: 'g' } }] };
    assert.deepEqual(choice({ type: 'custom', custom: { name: 'g' } }, custom), { mode: 'tool', name: 'g' });
    const allowed = { mode: 'required', tools: [{ type: 'function', function: { name: 'f' } }] };
    const expected = { mode: 'allowed', required: true, names: ['f'] };
    assert.deepEqual(choice({ type: 'allowed_tools', allowed_tools: allowed }), expected);
    assert.deepEqual(choice({ type: 'allowed_tools', ...allowed }), expected);
    const functions = [{ name: 'f' }];
    assert.deepEqual(read({ functions, function_call: 'auto' }).toolChoice, { mode: 'auto' });
    assert.deepEqual(read({ functions, function_call: { name: 'f' } }).toolChoice, { mode: 'tool', name: 'f' });
  });

  it('that cannot be chosen are refused in the known words', () => {
    refused(
      { tool_choice: 'auto' },
      'invalid_value',
      'tool_choice',
      "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
    );
    refused(
      { tools: TOOLS, tool_choice: { type: 'function', function: { name: 'g' } } },
      'invalid_value',
      'tool_choice',
      "Invalid value for 'tool_choice': function 'g' not found in 'tools'.",
    );
    const allowed = (fields: object): object => ({ tools: TOOLS, tool_choice: { type: 'allowed_tools', ...fields } });
    refused(
      allowed({ mode: 'x', tools: [] }),
      'invalid_value',
      'tool_choice.mode',
      "Invalid value for 'tool_choice.mode': must be 'auto' or 'required', got 'x'.",
    );
    refused(
      allowed({ mode: 'auto', tools: [{ type: 'function', name: 'g' }] }),
      'invalid_value',
      'tool_choice.tools',
      "Invalid value for 'tool_choice.tools': tool 'g' not found in 'tools'.",
    );
    refused(allowed({ mode: 'auto' }), 'invalid_value', 'tool_choice.tools');
    refused({ tools: TOOLS, tool_choice: 'any' }, 'invalid_value', 'tool_choice');
    refused({ tools: TOOLS, tool_choice: 5 }, 'invalid_type', 'tool_choice');
    refused({ tools: TOOLS, tool_choice: { type: 'x' } }, 'invalid_value', 'tool_choice.type');
    refused({ functions: [{ name: 'f' }], function_call: { name: 'g' } }, 'invalid_value', 'function_call');
    refused({ tools: [{ function: {} }] }, 'missing_required_parameter', 'tools[0].type');
    refused({ tools: [{ type: 'function', function: { name: '' } }] }, 'invalid_value', 'tools[0].function.name');
  });
});

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
