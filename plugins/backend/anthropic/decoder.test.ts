import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Conversation, type Delta, GatewayError, type JsonObject } from '../../../core/api/index.js';
import { customToolNames } from '../translate/tool-arguments.js';
import { COMMON_TOOL_NAMES, ToolNames } from '../translate/tool-names.js';
import { MessagesDecoder } from './decoder.js';
import { ModelFeatureTable } from './model-features.js';
import { planResponseFormat } from './response-format.js';

const features = new ModelFeatureTable([]);
const CONVERSATION: Conversation = {
  turns: [],
  tools: [
    { kind: 'function', name: 'f', param: 'tools[0]' },
    { kind: 'custom', name: 'shell', param: 'tools[1]' },
  ],
  sampling: {},
  stop: [],
  choices: 1,
  stream: true,
  extra: {},
};

function decoder(conversation: Partial<Conversation> = {}, model = 'claude-sonnet-4'): MessagesDecoder {
  const asked = { ...CONVERSATION, ...conversation };
  const names = new ToolNames(COMMON_TOOL_NAMES, asked.tools);
  return new MessagesDecoder(names, customToolNames(asked.tools), planResponseFormat(asked, features.of(model)));
}

function whole(answer: object, conversation?: Partial<Conversation>): Delta[] {
  const deltas: Delta[] = [];
  decoder(conversation).onAnswer(answer as JsonObject, (delta) => deltas.push(delta));
  return deltas;
}

function streamed(events: readonly object[], conversation?: Partial<Conversation>) {
  const deltas: Delta[] = [];
  const reader = decoder(conversation);
  const emit = (delta: Delta): void => void deltas.push(delta);
  const complete = events.some((event) => reader.onEvent(undefined, JSON.stringify(event), emit)) || reader.onEnd(emit);
  return { deltas, complete };
}

/** The events by which Anthropic streams a message: every text and every JSON in pieces of `size`. */
function eventsOf(message: JsonObject, size: number): object[] {
  const { content, stop_reason, stop_sequence, usage, ...head } = message;
  const events: object[] = [{ type: 'message_start', message: { ...head, content: [], stop_reason: null, usage } }];
  const pieces = (text: string): string[] => text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
  for (const [index, block] of (content as JsonObject[]).entries()) {
    const delta = (fields: object): void => void events.push({ type: 'content_block_delta', index, delta: fields });
    const start = (fields: object): void =>
      void events.push({ type: 'content_block_start', index, content_block: fields });
    if (block.type === 'text') {
      start({ type: 'text', text: '' });
      for (const text of pieces(block.text as string)) delta({ type: 'text_delta', text });
      for (const citation of (block.citations ?? []) as object[]) delta({ type: 'citations_delta', citation });
    } else if (block.type === 'thinking') {
      start({ type: 'thinking', thinking: '', signature: '' });
      for (const thinking of pieces(block.thinking as string)) delta({ type: 'thinking_delta', thinking });
      delta({ type: 'signature_delta', signature: block.signature });
    } else if (block.type === 'tool_use' || block.type === 'server_tool_use') {
      start({ ...block, input: {} });
      delta({ type: 'input_json_delta', partial_json: '' });
      for (const json of pieces(JSON.stringify(block.input))) delta({ type: 'input_json_delta', partial_json: json });
    } else start(block);
    events.push({ type: 'ping' }, { type: 'content_block_stop', index });
  }
  events.push({ type: 'message_delta', delta: { stop_reason, stop_sequence }, usage: { output_tokens: 9 } });
  return [
    ...events,
    { type: 'message_stop' },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'late' } },
  ];
}

/** Neighbouring pieces of one thing joined, signs of life left out. */
function joined(deltas: readonly Delta[]): Delta[] {
  const result: Delta[] = [];
  for (const delta of deltas) {
    const last = result.at(-1);
    if (delta.kind === 'keep_alive') continue;
    if (delta.kind === 'content' && last?.kind === 'content') last.text += delta.text;
    else if (delta.kind === 'reasoning' && last?.kind === 'reasoning') last.text += delta.text;
    else if (delta.kind === 'tool_call' && last?.kind === 'tool_call' && last.index === delta.index) {
      last.arguments = (last.arguments ?? '') + (delta.arguments ?? '');
    } else result.push({ ...delta });
  }
  return result;
}

const CITATION = {
  type: 'web_search_result_location',
  url: 'https://h.test',
  title: 'T',
  cited_text: 'x',
  encrypted_index: 'e',
};
const MESSAGE: JsonObject = {
  id: 'msg_01',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-20250514',
  content: [
    { type: 'thinking', thinking: 'Let me see', signature: 'c2ln' },
    { type: 'redacted_thinking', data: 'eHh4' },
    { type: 'text', text: 'I look it up. ' },
    { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'q' } },
    {
      type: 'web_search_tool_result',
      tool_use_id: 'srvtoolu_1',
      content: [{ type: 'web_search_result', url: 'https://h.test' }],
    },
    { type: 'text', text: 'Found.', citations: [CITATION, { type: 'char_location', cited_text: 'y' }] },
    { type: 'tool_use', id: 'toolu_1', name: 'f', input: { a: [1, '"'] } },
    { type: 'tool_use', id: 'toolu_2', name: 'shell', input: { input: 'ls "a"\n' } },
    { type: 'hologram', beam: true },
  ],
  stop_reason: 'tool_use',
  stop_sequence: null,
  usage: { input_tokens: 5, cache_read_input_tokens: 3, cache_creation_input_tokens: 2, output_tokens: 9 },
};

describe('an answer of the Messages API', () => {
  it('becomes deltas, block by block', () => {
    const usage = { promptTokens: 10, completionTokens: 9, cachedTokens: 3, cacheWriteTokens: 2 };
    const blocks = MESSAGE.content as JsonObject[];
    assert.deepEqual(joined(whole(MESSAGE)), [
      { kind: 'start', responseId: '01', model: 'claude-sonnet-4-20250514' },
      { kind: 'usage', usage },
      { kind: 'reasoning', choice: 0, text: 'Let me see' },
      { kind: 'reasoning_signature', choice: 0, vendor: 'anthropic', signature: 'c2ln' },
      { kind: 'reasoning_signature', choice: 0, vendor: 'anthropic', signature: 'eHh4', redacted: true },
      { kind: 'content', choice: 0, text: 'I look it up. ' },
      { kind: 'vendor', choice: 0, vendor: 'anthropic', data: blocks[3] },
      { kind: 'vendor', choice: 0, vendor: 'anthropic', data: blocks[4] },
      { kind: 'content', choice: 0, text: 'Found.' },
      {
        kind: 'annotation',
        choice: 0,
        annotation: { url: 'https://h.test', title: 'T', startIndex: 14, endIndex: 20 },
      },
      { kind: 'tool_call', choice: 0, index: 0, id: 'toolu_1', name: 'f', arguments: '{"a":[1,"\\""]}' },
      { kind: 'tool_call', choice: 0, index: 1, id: 'toolu_2', name: 'shell', arguments: 'ls "a"\n', custom: true },
      { kind: 'vendor', choice: 0, vendor: 'anthropic', data: blocks[8] },
      { kind: 'finish', choice: 0, reason: 'tool_calls' },
      { kind: 'usage', usage },
    ]);
  });

  it('is the same when it is streamed, in pieces of any size', () => {
    for (let size = 1; size < 20; size++) {
      const { deltas, complete } = streamed(eventsOf(MESSAGE, size));
      assert.equal(complete, true);
      assert.deepEqual(joined(deltas), joined(whole(MESSAGE)));
    }
  });

  it('that is given by a tool becomes content', () => {
    const conversation: Partial<Conversation> = {
      tools: [],
      responseFormat: { kind: 'json_schema', name: 'out', schema: { type: 'object' }, strict: true },
    };
    const message = { ...MESSAGE, content: [{ type: 'tool_use', id: 't', name: 'out', input: { a: 1 } }] };
    for (const deltas of [whole(message, conversation), streamed(eventsOf(message, 2), conversation).deltas]) {
      assert.deepEqual(joined(deltas).slice(2, 4), [
        { kind: 'content', choice: 0, text: '{"a":1}' },
        { kind: 'finish', choice: 0, reason: 'stop' },
      ]);
    }
    const empty = eventsOf({ ...message, content: [{ type: 'tool_use', id: 't', name: 'out', input: {} }] }, 2).filter(
      (event) => !JSON.stringify(event).includes('input_json_delta'),
    );
    assert.equal(
      joined(streamed(empty, conversation).deltas).some((delta) => delta.kind === 'content' && delta.text === '{}'),
      true,
    );
  });

  it('that was refused is a refusal, with the explanation where there is no text', () => {
    const details = { stop_reason: 'refusal', stop_details: { type: 'refusal', explanation: 'No.' } };
    const kinds = (deltas: Delta[]): unknown[] =>
      deltas.map((delta) => ('text' in delta ? [delta.kind, delta.text] : delta.kind));
    const base = { ...MESSAGE, ...details };
    const spoken = whole({ ...base, content: [{ type: 'text', text: 'I cannot.' }] });
    assert.deepEqual(kinds(spoken), ['start', 'usage', ['refusal', 'I cannot.'], 'finish', 'usage']);
    const silent = ['start', 'usage', ['refusal', 'No.'], 'finish', 'usage'];
    assert.deepEqual(kinds(whole({ ...base, content: [] })), silent);
    const events = [
      ...eventsOf({ ...base, content: [] }, 9).slice(0, -3),
      { type: 'message_delta', delta: details },
      { type: 'message_stop' },
    ];
    assert.deepEqual(kinds(streamed(events).deltas), silent);
  });

  it('stops for reasons that clients know', () => {
    const finish = (stop_reason: unknown, stop_sequence: unknown = null) => {
      const delta = whole({ ...MESSAGE, content: [], stop_reason, stop_sequence }).find(
        ({ kind }) => kind === 'finish',
      );
      return delta?.kind === 'finish' ? [delta.reason, delta.matchedStop, delta.providerReason] : [];
    };
    assert.deepEqual(finish('end_turn'), ['stop', undefined, undefined]);
    assert.deepEqual(finish('stop_sequence', 'END'), ['stop', 'END', undefined]);
    assert.deepEqual(finish('max_tokens'), ['length', undefined, undefined]);
    assert.deepEqual(finish('model_context_window_exceeded'), ['length', undefined, undefined]);
    assert.deepEqual(finish('tool_use'), ['tool_calls', undefined, undefined]);
    assert.deepEqual(finish('pause_turn'), ['stop', undefined, 'pause_turn']);
    assert.deepEqual(finish('refusal'), ['content_filter', undefined, undefined]);
    assert.deepEqual(finish('compaction'), ['stop', undefined, 'compaction']);
    assert.deepEqual(finish(null), ['stop', undefined, undefined]);
  });

  it('counts tokens cumulatively and takes what is not stated as it was', () => {
    const events = eventsOf({ ...MESSAGE, content: [] }, 9);
    events[events.length - 3] = {
      type: 'message_delta',
      delta: { stop_reason: 'end_turn' },
      usage: { input_tokens: null, output_tokens: 12, output_tokens_details: { thinking_tokens: 4 } },
    };
    const usage = { promptTokens: 10, completionTokens: 12, cachedTokens: 3, cacheWriteTokens: 2, reasoningTokens: 4 };
    assert.deepEqual(streamed(events).deltas.at(-1), { kind: 'usage', usage });
  });

  it('is complete without its last event once it said why it stopped, and not before', () => {
    const events = eventsOf(MESSAGE, 5).slice(0, -2);
    assert.equal(streamed(events).complete, true);
    assert.equal(streamed(events).deltas.at(-2)?.kind, 'finish');
    for (let end = 0; end < events.length; end++) {
      const { deltas, complete } = streamed(events.slice(0, end));
      assert.equal(complete, false);
      assert.ok(deltas.every(({ kind }) => kind !== 'finish'));
    }
  });

  it('ends with the error that it holds', () => {
    for (const [type, status, code] of [
      ['overloaded_error', 529, 'overloaded'],
      ['rate_limit_error', 429, 'rate_limit_exceeded'],
      ['api_error', 500, 'upstream_error'],
      ['new_error', 500, 'upstream_error'],
    ] as const) {
      const error = { type: 'error', error: { type, message: 'Overloaded' } };
      const check = (thrown: unknown): boolean => {
        assert.ok(GatewayError.is(thrown));
        assert.deepEqual([thrown.code, thrown.upstreamStatus, thrown.message], [code, status, 'Overloaded']);
        return true;
      };
      assert.throws(() => streamed([error]), check);
      assert.throws(() => whole(error), check);
    }
  });

  it('that nobody can read is an error of the worker, whatever it is', () => {
    assert.throws(() => whole({ type: 'message' }), { code: 'upstream_protocol_error' });
    assert.throws(() => decoder().onEvent('ping', 'pong', () => {}), { code: 'upstream_protocol_error' });
    const key = fc.constantFrom(
      'type',
      'index',
      'delta',
      'content_block',
      'message',
      'usage',
      'id',
      'name',
      'text',
      'citations',
    );
    const word = fc.constantFrom<unknown>(
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
      'text',
      'text_delta',
      'tool_use',
      'input_json_delta',
      'thinking',
      'citations_delta',
      'f',
      'shell',
      null,
      0,
      1,
      true,
      [null],
      {},
    );
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof({ depthSize: 'small' }, word, fc.dictionary(key, tie('tree'), { maxKeys: 5 })),
    }));
    const event = fc.dictionary(key, tree, { maxKeys: 6 });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), (events) => {
        try {
          streamed(events);
        } catch (error) {
          if (!GatewayError.is(error)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});
