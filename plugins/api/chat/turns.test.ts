import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parts, read, refused, TOOLS, USER } from './conversation.fixture.js';

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
