import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Part, Turn } from '../../../core/api/conversation.js';
import { GatewayError } from '../../../core/api/errors.js';
import { RequestHeaders } from '../../../core/api/headers.js';
import type { JsonObject } from '../../../core/api/inference.js';
import { api, requestOf } from './message.fixture.js';
import { joinToolUseId, splitToolUseId } from './tool-use-id.js';

const read = (fields: JsonObject) => requestOf(fields).conversation();
const turns = (...messages: JsonObject[]): readonly Turn[] => read({ messages }).turns;
const blocks = (role: string, ...content: JsonObject[]): readonly Part[] => turns({ role, content })[0]?.parts ?? [];
const user = (...content: JsonObject[]): readonly Part[] => blocks('user', ...content);

/** What is refused: code, field, message. */
function refusal(fields: JsonObject): readonly [string, string | undefined, string] {
  try {
    const request = requestOf(fields);
    const error = api.checkRequest?.(request);
    if (error !== undefined) throw error;
    request.conversation();
  } catch (error) {
    assert.ok(GatewayError.is(error), String(error));
    return [error.code, error.param, error.message];
  }
  throw new Error(`not refused: ${JSON.stringify(fields)}`);
}

describe('a Messages request', () => {
  it('has scalars of every dialect', () => {
    const conversation = read({
      stream: true,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 3,
      stop_sequences: ['END'],
      metadata: { user_id: 'u', other: 1 },
      service_tier: 'standard_only',
      rid: 'r',
      context_management: { edits: [] },
      tools: null,
    });
    assert.deepEqual(
      { ...conversation, turns: undefined },
      {
        turns: undefined,
        tools: [],
        maxTokens: 9,
        sampling: { temperature: 0.5, topP: 0.9, topK: 3 },
        stop: ['END'],
        choices: 1,
        user: 'u',
        serviceTier: 'default',
        stream: true,
        extra: { rid: 'r', context_management: { edits: [] } },
      },
    );
  });

  it('has the system prompt first, and system turns where they stand', () => {
    const cache = { type: 'ephemeral', ttl: '1h' };
    const conversation = read({
      system: [
        { type: 'text', text: 'A', cache_control: cache },
        { type: 'text', text: 'B' },
      ],
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'system', content: 'C' },
      ],
    });
    assert.deepEqual(conversation.turns, [
      {
        role: 'system',
        param: 'system',
        parts: [
          { kind: 'text', text: 'A', cacheControl: cache, param: 'system[0]' },
          { kind: 'text', text: 'B', param: 'system[1]' },
        ],
      },
      { role: 'user', param: 'messages[0]', parts: [{ kind: 'text', text: 'Hi', param: 'messages[0].content' }] },
      { role: 'system', param: 'messages[1]', parts: [{ kind: 'text', text: 'C', param: 'messages[1].content' }] },
    ]);
    assert.equal(read({ system: 'S' }).turns[0]?.parts.length, 1);
  });

  it('has images and documents from wherever they are', () => {
    const image = (source: JsonObject) => (user({ type: 'image', source })[0] as { source: unknown }).source;
    assert.deepEqual(image({ type: 'base64', media_type: 'image/JPG', data: 'AA\nA=' }), {
      kind: 'base64',
      mediaType: 'image/jpeg',
      data: 'AAA=',
    });
    assert.deepEqual(image({ type: 'url', url: 'https://a.test/' }), { kind: 'url', url: 'https://a.test/' });
    assert.deepEqual(image({ type: 'file', file_id: 'f' }), { kind: 'file', fileId: 'f' });
    const [document] = user({
      type: 'document',
      source: { type: 'text', media_type: 'text/plain', data: 'body' },
      title: 'T',
      context: 'C',
      citations: { enabled: true },
    });
    assert.deepEqual(document, {
      kind: 'document',
      source: { kind: 'text', mediaType: 'text/plain', text: 'body' },
      title: 'T',
      context: 'C',
      citations: { enabled: true },
      param: 'messages[0].content[0]',
    });
  });

  it('has the blocks of a document that is made of them, and the text of search results', () => {
    const texts = (...content: JsonObject[]) => user(...content).map((part) => part.kind === 'text' && part.text);
    assert.deepEqual(texts({ type: 'document', source: { type: 'content', content: 'one' } }), ['one']);
    assert.deepEqual(
      texts({ type: 'document', source: { type: 'content', content: [{ type: 'text', text: 'two' }] } }),
      ['two'],
    );
    const result = { type: 'search_result', title: 'T', source: 's', content: [{ type: 'text', text: 'found' }] };
    assert.deepEqual(texts(result), ['T\ns\nfound']);
  });

  it('has results of tools as a turn before the rest of their message', () => {
    const result = { type: 'tool_result', tool_use_id: 't1', content: 'one' };
    const failed = {
      type: 'tool_result',
      tool_use_id: 't2',
      is_error: true,
      content: [
        { type: 'text', text: 'two' },
        { type: 'image', source: { type: 'url', url: 'u' } },
      ],
    };
    const list = turns(
      { role: 'user', content: [{ type: 'text', text: 'And?' }, result, failed] },
      {
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: 't3' }],
      },
    );
    assert.deepEqual(
      list.map(({ role, parts }) => [role, parts.map((part) => part.kind)]),
      [
        ['tool', ['tool_result', 'tool_result']],
        ['user', ['text']],
        ['tool', ['tool_result']],
      ],
    );
    assert.deepEqual(list[0]?.parts[1], {
      kind: 'tool_result',
      callId: 't2',
      isError: true,
      content: [
        { kind: 'text', text: 'two', param: 'messages[0].content[2].content[0]' },
        { kind: 'image', source: { kind: 'url', url: 'u' }, param: 'messages[0].content[2].content[1]' },
      ],
      param: 'messages[0].content[2]',
    });
  });

  it('has calls and thoughts of the assistant', () => {
    const parts = blocks(
      'assistant',
      { type: 'thinking', thinking: 'a', signature: 'sig' },
      { type: 'thinking', thinking: 'b', signature: '' },
      { type: 'redacted_thinking', data: 'xx' },
      { type: 'tool_use', id: 'toolu_1', name: 'add', input: { a: 1 } },
    );
    const at = (index: number) => `messages[0].content[${index}]`;
    assert.deepEqual(parts, [
      { kind: 'reasoning', text: 'a', vendor: 'anthropic', signature: 'sig', param: at(0) },
      { kind: 'reasoning', text: 'b', param: at(1) },
      { kind: 'redacted_reasoning', vendor: 'anthropic', data: 'xx', param: at(2) },
      { kind: 'tool_call', id: 'toolu_1', name: 'add', arguments: '{"a":1}', param: at(3) },
    ]);
  });

  it('keeps what only its vendor knows, and says what a search found', () => {
    const used = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} };
    const unknown = { type: 'container_upload', file_id: 'f' };
    const found = { type: 'web_search_tool_result', tool_use_id: 's', content: [{ title: 'T', url: 'u' }] };
    const failed = { type: 'web_search_tool_result', tool_use_id: 's', content: { error_code: 'unavailable' } };
    const parts = blocks('assistant', used, unknown, found, failed);
    assert.deepEqual(
      parts.map((part) => (part.kind === 'vendor' ? part.data : part.kind === 'text' && part.text)),
      [used, unknown, 'Web search results:\nT: u'],
    );
  });

  it('has tools: functions, what runs at the client as functions, and the vendor’s own', () => {
    const { tools } = read({
      tools: [
        { name: 'add', description: 'D', input_schema: { type: 'object' }, strict: true, defer_loading: true },
        { type: 'bash_20250124', name: 'bash' },
        { type: 'text_editor_20250728', name: 'str_replace_based_edit_tool', max_characters: 9 },
        { type: 'text_editor_20250124', name: 'str_replace_editor' },
        { type: 'web_search_20250305', name: 'web_search', max_uses: 1 },
      ],
    });
    assert.deepEqual(tools[0], {
      kind: 'function',
      name: 'add',
      description: 'D',
      parameters: { type: 'object' },
      strict: true,
      param: 'tools[0]',
    });
    assert.deepEqual(
      tools.map((tool) => (tool.kind === 'vendor' ? tool.type : tool.name)),
      ['add', 'bash', 'str_replace_based_edit_tool', 'str_replace_editor', 'web_search_20250305'],
    );
    const commands = tools.map((tool) => {
      const properties = tool.kind === 'function' ? (tool.parameters?.properties as JsonObject | undefined) : undefined;
      return (properties?.command as JsonObject | undefined)?.enum;
    });
    assert.deepEqual(commands[2], ['view', 'create', 'str_replace', 'insert']);
    assert.deepEqual(commands[3], ['view', 'create', 'str_replace', 'insert', 'undo_edit']);
  });

  it('has the choice of a tool', () => {
    const tools = [{ name: 'f', input_schema: {} }];
    const choice = (tool_choice: JsonObject) => {
      const { toolChoice, parallelToolCalls } = read({ tools, tool_choice });
      return [toolChoice, parallelToolCalls];
    };
    assert.deepEqual(choice({ type: 'auto' }), [{ mode: 'auto' }, undefined]);
    assert.deepEqual(choice({ type: 'any', disable_parallel_tool_use: true }), [{ mode: 'required' }, false]);
    assert.deepEqual(choice({ type: 'auto', disable_parallel_tool_use: false }), [{ mode: 'auto' }, undefined]);
    assert.deepEqual(choice({ type: 'tool', name: 'f' }), [{ mode: 'tool', name: 'f' }, undefined]);
    assert.deepEqual(read({ tool_choice: { type: 'none' } }).toolChoice, { mode: 'none' });
  });

  it('says how much to think and what form the answer has', () => {
    const enabled = { type: 'enabled', budget_tokens: 2000, display: 'omitted' };
    assert.deepEqual(read({ max_tokens: 4000, thinking: enabled }).reasoning, {
      mode: 'enabled',
      budgetTokens: 2000,
      thinking: enabled,
    });
    const adaptive = { type: 'adaptive' };
    assert.deepEqual(read({ thinking: adaptive, output_config: { effort: 'max' } }).reasoning, {
      effort: 'max',
      mode: 'adaptive',
      thinking: adaptive,
    });
    assert.deepEqual(read({ output_config: { effort: 'low' } }).reasoning, { effort: 'low' });
    const format = { type: 'json_schema', schema: { type: 'object' } };
    const expected = { kind: 'json_schema', name: 'output', schema: { type: 'object' }, strict: true };
    assert.deepEqual(read({ output_config: { format } }).responseFormat, expected);
    assert.deepEqual(read({ output_format: format }).responseFormat, expected);
  });

  it('may end with what the assistant is to go on with', () => {
    assert.equal(turns({ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }).at(-1)?.role, 'assistant');
  });
});

describe('what is refused of a Messages request', () => {
  const tools = [{ name: 'f', input_schema: {} }];
  const thinking = { type: 'enabled', budget_tokens: 1024 };
  const onlyWithTools = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.";
  const cases: readonly [JsonObject, string, string, (string | undefined)?][] = [
    [{ model: '' }, 'invalid_value', 'model', 'model field is required and cannot be empty'],
    [{ messages: [] }, 'invalid_value', 'messages', 'messages array is required and cannot be empty'],
    [{ messages: null }, 'missing_required_parameter', 'messages'],
    [{ messages: 'Hi' }, 'invalid_type', 'messages'],
    [{ max_tokens: 0 }, 'invalid_value', 'max_tokens', 'max_tokens must be greater than 0'],
    [{ max_tokens: null }, 'missing_required_parameter', 'max_tokens'],
    [{ max_tokens: 1.5 }, 'invalid_type', 'max_tokens'],
    [{ max_tokens: '9' }, 'invalid_type', 'max_tokens'],
    [{ tool_choice: { type: 'auto' } }, 'invalid_value', 'tool_choice', onlyWithTools],
    [
      { tools, tool_choice: { type: 'tool', name: 'g' } },
      'invalid_value',
      'tool_choice',
      "Invalid value for 'tool_choice': tool 'g' not found in 'tools'.",
    ],
    [
      { tools: [{ type: 'mcp_toolset', mcp_server_name: 's' }] },
      'invalid_value',
      'mcp_servers',
      'mcp_servers is required when mcp_toolset tools are present',
    ],
    [{ mcp_servers: [{ type: 'url', name: 's', url: 'u' }] }, 'unsupported_parameter', 'mcp_servers'],
    [{ container: { id: 'c' } }, 'unsupported_parameter', 'container'],
    [{ thread: { type: 'create' } }, 'unsupported_parameter', 'thread'],
    [
      { thinking: { type: 'enabled', budget_tokens: 1023 }, max_tokens: 9999 },
      'invalid_value',
      'thinking.budget_tokens',
    ],
    [{ thinking, max_tokens: 1024 }, 'invalid_value', 'max_tokens'],
    [{ thinking, max_tokens: 9999, tools, tool_choice: { type: 'any' } }, 'invalid_value', 'tool_choice'],
    [{ service_tier: 'priority' }, 'invalid_value', 'service_tier'],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'invalid_value', 'messages[0].role'],
    [{ messages: [{ role: 'user' }] }, 'missing_required_parameter', 'messages[0].content'],
    [
      { messages: [{ role: 'user', content: [{ type: 'tool_use', id: 'a', name: 'b' }] }] },
      'invalid_value',
      'messages[0].content[0]',
    ],
    [
      { messages: [{ role: 'assistant', content: [{ type: 'tool_result' }] }] },
      'invalid_value',
      'messages[0].content[0]',
    ],
    [
      { messages: [{ role: 'user', content: [{ type: 'text' }] }] },
      'missing_required_parameter',
      'messages[0].content[0].text',
    ],
    [{ tools: [{ name: 'f' }] }, 'missing_required_parameter', 'tools[0].input_schema'],
    [{ stop_sequences: [1] }, 'invalid_type', 'stop_sequences[0]'],
  ];
  for (const [fields, code, param, message] of cases) {
    it(JSON.stringify(fields), () => {
      const found = refusal(fields);
      assert.deepEqual([found[0], found[1]], [code, param]);
      if (message !== undefined) assert.equal(found[2], message);
    });
  }
});

describe('the head of a Messages request', () => {
  const head = (...flat: string[]) => new RequestHeaders('POST', '/v1/messages', '', 'http', flat);

  it('gets the version that it does not name', () => {
    const headers = head();
    assert.equal(api.completeHead?.(headers), undefined);
    assert.equal(headers.get('anthropic-version'), '2023-06-01');
  });

  it('is refused with a version that never was', () => {
    for (const date of ['2023-01-01', '2023-06-01', '2026-10-21']) {
      assert.equal(api.completeHead?.(head('anthropic-version', date)), undefined);
    }
    for (const date of ['2022-12-31', '2024-02-30', '2023-6-1', 'latest', '']) {
      assert.equal(api.completeHead?.(head('anthropic-version', date))?.code, 'invalid_anthropic_version', date);
    }
  });

  it('names beta features in one field', () => {
    const headers = head('anthropic-beta', 'a,b', 'accept', 'x', 'anthropic-beta', 'c');
    api.completeHead?.(headers);
    assert.deepEqual(headers.getAll('anthropic-beta'), ['a,b,c']);
  });
});

describe('ids of tool calls', () => {
  it('bring a signature there and back', () => {
    for (const signature of ['c2ln', 'a+/b/w==', 'AAA=']) {
      const id = joinToolUseId('call_x', signature);
      assert.match(id, /^toolu_x__thought__[A-Za-z0-9_-]+$/);
      assert.deepEqual(splitToolUseId(id), { id: 'toolu_x', signature });
      // A worker's dialect may have put it there before.
      assert.equal(joinToolUseId(`call_x__thought__${signature}`, signature), id);
    }
    assert.deepEqual(splitToolUseId('toolu_x'), { id: 'toolu_x', signature: undefined });
  });
});
