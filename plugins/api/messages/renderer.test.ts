import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../../core/api/errors.js';
import type { Delta, JsonObject } from '../../../core/api/inference.js';
import { accumulated, collected, requestOf, streamed } from './message.fixture.js';
import { createMessagesRenderer } from './renderer.js';

const content = (text: string): Delta => ({ kind: 'content', choice: 0, text });
const reasoning = (text: string): Delta => ({ kind: 'reasoning', choice: 0, text });
const call = (
  index: number,
  fields: { id?: string; name?: string; arguments?: string; signature?: string },
): Delta => ({
  kind: 'tool_call',
  choice: 0,
  index,
  ...fields,
});
const finish = (fields: Partial<Extract<Delta, { kind: 'finish' }>> = {}): Delta => ({
  kind: 'finish',
  choice: 0,
  reason: 'stop',
  ...fields,
});
const ZERO = { input_tokens: 0, output_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };

/** Names of the events, with the kind of block or delta. */
function outline(deltas: readonly Delta[]): string[] {
  return streamed(deltas).map(({ event, data }) => {
    const block = (data.content_block ?? data.delta) as JsonObject | undefined;
    return typeof block?.type === 'string' ? `${event} ${String(data.index)} ${block.type}` : event;
  });
}

describe('what a message has no place for', () => {
  const cited = { url: 'https://a.test', title: 'A', startIndex: 0, endIndex: 1 };
  const places: readonly Delta[] = [
    { kind: 'start', responseId: '9' },
    content('a'),
    { kind: 'annotation', choice: 0, annotation: cited },
    { kind: 'reasoning_signature', choice: 0, vendor: 'anthropic', signature: 's' },
    { kind: 'vendor', choice: 0, vendor: 'anthropic', data: { type: 'server_tool_use' } },
    { kind: 'keep_alive' },
    finish(),
    { kind: 'finish', choice: 1, reason: 'stop' },
    { kind: 'usage', usage: { promptTokens: 1 } },
  ];
  const misfits: readonly Delta[] = [
    { kind: 'annotation', choice: 0, annotation: cited },
    { kind: 'reasoning_signature', choice: 0, vendor: 'google', signature: 's' },
    { kind: 'vendor', choice: 0, vendor: 'google', data: { type: 'x' } },
    { kind: 'image', choice: 0, url: 'data:image/png;base64,' },
    { kind: 'audio', choice: 0, mediaType: 'audio/wav', data: '' },
    { kind: 'content', choice: 1, text: 'b' },
  ];
  for (const stream of [true, false]) {
    it(`is counted, ${stream ? 'streamed' : 'collected'}`, () => {
      const dropped = (deltas: readonly Delta[]) => {
        const context = { responseId: 'msg_1', createdS: 1, model: 'm' };
        const renderer = createMessagesRenderer(requestOf({ stream }), context);
        for (const delta of deltas) renderer.delta(delta);
        return renderer.droppedDeltas;
      };
      assert.equal(dropped(places), 0);
      assert.equal(dropped(misfits), misfits.length);
    });
  }
});

describe('a message that is streamed', () => {
  it('has its events in order, blocks never overlapping', () => {
    assert.deepEqual(
      outline([
        { kind: 'start', responseId: '9', model: 'n' },
        reasoning('Hm'),
        reasoning('m'),
        content('Hi'),
        call(0, { id: 'call_a', name: 'add', arguments: '' }),
        call(0, { arguments: '{"a":1}' }),
        finish({ reason: 'tool_calls' }),
      ]),
      [
        'message_start',
        'ping',
        'content_block_start 0 thinking',
        'content_block_delta 0 thinking_delta',
        'content_block_delta 0 thinking_delta',
        'content_block_stop',
        'content_block_start 1 text',
        'content_block_delta 1 text_delta',
        'content_block_stop',
        'content_block_start 2 tool_use',
        'content_block_delta 2 input_json_delta',
        'content_block_stop',
        'message_delta',
        'message_stop',
      ],
    );
  });

  it('begins with what is known of it and ends with cumulative usage', () => {
    const events = streamed([
      { kind: 'start', responseId: '9', model: 'n' },
      { kind: 'usage', usage: { promptTokens: 50 } },
      content('Hi'),
      finish(),
      { kind: 'usage', usage: { promptTokens: 55, cachedTokens: 40, cacheWriteTokens: 5, completionTokens: 4 } },
    ]);
    assert.deepEqual(events[0]?.data, {
      type: 'message_start',
      message: {
        id: 'msg_9',
        type: 'message',
        role: 'assistant',
        content: [],
        model: 'n',
        stop_reason: null,
        stop_sequence: null,
        usage: { ...ZERO, input_tokens: 50 },
      },
    });
    assert.deepEqual(events.at(-2)?.data, {
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { input_tokens: 10, output_tokens: 4, cache_creation_input_tokens: 5, cache_read_input_tokens: 40 },
    });
    assert.deepEqual(events.at(-1)?.data, { type: 'message_stop' });
  });

  it('leaves an unknown input out of the last count', () => {
    const usage = streamed([content('Hi')]).at(-2)?.data.usage;
    assert.deepEqual(usage, { output_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 });
  });

  it('has no content where the worker said nothing', () => {
    assert.deepEqual(outline([]), ['message_start', 'ping', 'message_delta', 'message_stop']);
  });

  it('is kept alive by pings, once it has begun', () => {
    assert.deepEqual(outline([{ kind: 'keep_alive' }, content('a'), { kind: 'keep_alive' }]).slice(0, 5), [
      'message_start',
      'ping',
      'content_block_start 0 text',
      'content_block_delta 0 text_delta',
      'ping',
    ]);
  });

  it('ends in an error event and nothing more when it fails', () => {
    const renderer = createMessagesRenderer(requestOf({ stream: true }), {
      responseId: 'msg_1',
      createdS: 0,
      model: 'm',
    });
    renderer.delta(content('Hi'));
    const text = renderer.error(new GatewayError('overloaded', 'too much'))?.toString() ?? '';
    assert.match(
      text,
      /^event: error\ndata: \{"type":"error","error":\{"type":"overloaded_error","message":"too much"\}/,
    );
  });
});

describe('blocks of an answer', () => {
  it('are thoughts, text and calls', () => {
    const { content: blocks } = collected([
      reasoning('Hm'),
      content('Hi'),
      { kind: 'refusal', choice: 0, text: ' no' },
      call(0, { id: 'call_a', name: 'add', arguments: '{"a":' }),
      call(0, { arguments: '1}' }),
      call(1, { name: 'now' }),
    ]);
    assert.deepEqual(blocks, [
      { type: 'thinking', thinking: 'Hm', signature: '' },
      { type: 'text', text: 'Hi no' },
      { type: 'tool_use', id: 'toolu_a', name: 'add', input: { a: 1 } },
      { type: 'tool_use', id: 'toolu_1_1', name: 'now', input: {} },
    ]);
  });

  it('sign thoughts where they are signed, and only with a signature that the client can send back', () => {
    const signature = (vendor: string, redacted?: boolean): Delta => ({
      kind: 'reasoning_signature',
      choice: 0,
      vendor,
      signature: 'c2ln',
      ...(redacted === undefined ? {} : { redacted }),
    });
    const deltas = [
      reasoning('one'),
      signature('anthropic'),
      reasoning('two'),
      signature('gemini'),
      signature('anthropic', true),
      signature('anthropic'),
    ];
    assert.deepEqual(collected(deltas).content, [
      { type: 'thinking', thinking: 'one', signature: 'c2ln' },
      { type: 'thinking', thinking: 'two', signature: '' },
      { type: 'redacted_thinking', data: 'c2ln' },
      { type: 'thinking', thinking: '', signature: 'c2ln' },
    ]);
    assert.deepEqual(accumulated(streamed(deltas)).content, collected(deltas).content);
  });

  it('are no white space alone, but keep it before text', () => {
    assert.deepEqual(collected([content('\n'), content(' ')]).content, []);
    assert.deepEqual(collected([content('\n'), content(' a'), content('\n')]).content, [
      { type: 'text', text: '\n a\n' },
    ]);
    assert.equal((collected([content('\n'), call(0, { name: 'f' })]).content as unknown[]).length, 1);
  });

  it('name the sources of a text', () => {
    const annotation = { url: 'https://a.test/', title: 'A', startIndex: 4, endIndex: 9 };
    const deltas: Delta[] = [content('See this.'), { kind: 'annotation', choice: 0, annotation }];
    const citation = {
      type: 'web_search_result_location',
      url: 'https://a.test/',
      title: 'A',
      cited_text: 'this.',
      encrypted_index: '',
    };
    assert.deepEqual(collected(deltas).content, [{ type: 'text', text: 'See this.', citations: [citation] }]);
    assert.deepEqual(accumulated(streamed(deltas)).content, collected(deltas).content);
  });

  it('hold blocks of server tools as the vendor sent them, and no other vendor’s', () => {
    const data = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} };
    const vendor = (name: string): Delta => ({ kind: 'vendor', choice: 0, vendor: name, data });
    assert.deepEqual(collected([vendor('anthropic'), vendor('gemini')]).content, [data]);
  });

  it('are those of the first choice', () => {
    assert.deepEqual(collected([{ kind: 'content', choice: 1, text: 'x' }, content('a')]).content, [
      { type: 'text', text: 'a' },
    ]);
  });

  it('take arguments that are no JSON object as they are', () => {
    const inputs = ['[1]', '{"a":', ' '].map((text) => collected([call(0, { name: 'f', arguments: text })]).content);
    assert.deepEqual(
      inputs.map((blocks) => (blocks as JsonObject[])[0]?.input),
      [{ value: [1] }, { _raw_arguments: '{"a":' }, {}],
    );
  });
});

describe('calls that come interleaved', () => {
  it('are told one after the other, each as soon as it can be', () => {
    assert.deepEqual(
      outline([
        call(0, { name: 'a', arguments: '{"x":"}' }),
        call(1, { name: 'b', arguments: '{' }),
        call(0, { arguments: '"}' }),
        call(1, { arguments: '}' }),
        call(0, { arguments: '\n' }),
        call(2, { arguments: '{}' }),
        call(2, { name: 'c' }),
      ]),
      [
        'message_start',
        'ping',
        'content_block_start 0 tool_use',
        'content_block_delta 0 input_json_delta',
        'content_block_delta 0 input_json_delta',
        'content_block_stop',
        'content_block_start 1 tool_use',
        'content_block_delta 1 input_json_delta',
        'content_block_delta 1 input_json_delta',
        'content_block_stop',
        'content_block_start 2 tool_use',
        'content_block_delta 2 input_json_delta',
        'content_block_stop',
        'message_delta',
        'message_stop',
      ],
    );
  });

  it('are refused when one goes on after its block was stopped', () => {
    const deltas = [call(0, { name: 'a', arguments: '{' }), content('text'), call(0, { arguments: '}' })];
    for (const play of [streamed, collected]) {
      assert.throws(
        () => play(deltas),
        (error) => GatewayError.is(error) && error.code === 'upstream_protocol_error',
      );
    }
  });

  it('do not grow without limit while they wait', () => {
    const piece = 'x'.repeat(1024 * 1024);
    const deltas = Array.from({ length: 17 }, () => call(0, { arguments: piece }));
    assert.throws(
      () => streamed(deltas),
      (error) => GatewayError.is(error) && error.code === 'upstream_response_too_large',
    );
  });
});

describe('why a message stopped', () => {
  const reasons: readonly [string, readonly Delta[], string, string | null][] = [
    ['stop', [content('a'), finish()], 'end_turn', null],
    ['a stop string', [content('a'), finish({ matchedStop: 'END' })], 'stop_sequence', 'END'],
    ['a stop string of the template', [content('a'), finish({ matchedStop: '<|im_end|>' })], 'end_turn', null],
    ['a stop token', [content('a'), finish({ matchedStop: 2 })], 'end_turn', null],
    ['stop with calls', [call(0, { name: 'f' }), finish()], 'tool_use', null],
    ['calls', [call(0, { name: 'f' }), finish({ reason: 'tool_calls' })], 'tool_use', null],
    ['length', [content('a'), finish({ reason: 'length' })], 'max_tokens', null],
    ['length in a call', [call(0, { name: 'f' }), finish({ reason: 'length' })], 'max_tokens', null],
    ['content filter', [finish({ reason: 'content_filter' })], 'refusal', null],
    ['a word of its own', [finish({ providerReason: 'pause_turn' })], 'pause_turn', null],
    ['a word of another', [finish({ reason: 'length', providerReason: 'MAX_TOKENS' })], 'max_tokens', null],
    ['abort', [finish({ reason: 'abort' })], 'end_turn', null],
  ];
  for (const [about, deltas, reason, sequence] of reasons) {
    it(`${about}: ${reason}`, () => {
      const fields = { stop_sequences: ['END'] };
      const whole = collected(deltas, fields);
      assert.deepEqual([whole.stop_reason, whole.stop_sequence], [reason, sequence]);
      assert.deepEqual(streamed(deltas, fields).at(-2)?.data.delta, { stop_reason: reason, stop_sequence: sequence });
    });
  }
});

describe('both forms of an answer', () => {
  const text = fc.string({ maxLength: 6 });
  const deltas = fc.array(
    fc.oneof(
      text.map(content),
      text.map(reasoning),
      fc.constant<Delta>({ kind: 'reasoning_signature', choice: 0, vendor: 'anthropic', signature: 's' }),
      fc.constant<Delta>({ kind: 'keep_alive' }),
      fc
        .record({ promptTokens: fc.nat(99), completionTokens: fc.nat(99) })
        .map((usage): Delta => ({ kind: 'usage', usage })),
      // Whole calls, as late fragments are refused.
      fc
        .tuple(fc.nat(1_000_000), fc.jsonValue())
        .map(([index, value]) => call(index, { name: 'f', arguments: JSON.stringify({ value }) })),
    ),
    { maxLength: 20 },
  );

  it('say the same', () => {
    fc.assert(
      fc.property(deltas, (list) => {
        const indices = list.map((delta) => (delta.kind === 'tool_call' ? delta.index : undefined));
        fc.pre(indices.every((index, at) => index === undefined || indices.indexOf(index) === at));
        const whole = collected(list);
        const events = accumulated(streamed(list));
        assert.deepEqual(events, whole);
      }),
    );
  });
});
