import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DeltaRenderer } from '../../../core/api/client-api.js';
import { GatewayError } from '../../../core/api/errors.js';
import type { Delta } from '../../../core/api/inference.js';
import { jsonRequest } from '../../../core/testing/index.js';
import { readChatConversation } from './conversation.js';
import chat from './plugin.js';

const CONTEXT = { responseId: 'chatcmpl-1', createdS: 1700000000, model: 'm' };
const HEAD = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m"';

function renderer(fields: object): DeltaRenderer {
  const api = chat.create({}, { onDispose: () => undefined });
  assert.ok(!(api instanceof Promise) && api.createRenderer);
  const request = jsonRequest({ model: 'm', messages: [], ...fields }, api);
  return api.createRenderer(request, CONTEXT);
}

function render(fields: object, deltas: readonly Delta[]): string {
  const target = renderer(fields);
  const parts = deltas.map((delta) => target.delta(delta)?.toString() ?? '');
  return parts.join('') + target.end().toString();
}

const LOGPROBS = {
  content: [{ token: 'Hi', logprob: -0.5, bytes: [72, 105], top: [{ token: 'Yo', logprob: -1, bytes: null }] }],
};
const ANSWER: readonly Delta[] = [
  { kind: 'reasoning', choice: 0, text: 'hm' },
  { kind: 'content', choice: 0, text: 'Hi\n', logprobs: LOGPROBS },
  { kind: 'vendor', choice: 0, vendor: 'x', data: {} },
  { kind: 'content', choice: 1, text: '"é"' },
  { kind: 'tool_call', choice: 0, index: 0, id: 'call_a', name: 'f', arguments: '{"a":' },
  { kind: 'tool_call', choice: 0, index: 0, arguments: '1}' },
  { kind: 'finish', choice: 0, reason: 'stop' },
  { kind: 'usage', usage: { promptTokens: 3, completionTokens: 1 } },
  { kind: 'finish', choice: 1, reason: 'stop', matchedStop: 13 },
  { kind: 'usage', usage: { completionTokens: 4, cachedTokens: 2, cacheWriteTokens: 1, reasoningTokens: 0 } },
];
const SIGNED = { kind: 'reasoning_signature', choice: 0 } as const;
const EXTENSIONS: readonly Delta[] = [
  { kind: 'reasoning', choice: 0, text: 'a' },
  { kind: 'reasoning', choice: 0, text: 'b' },
  { ...SIGNED, vendor: 'anthropic', signature: 'c2ln' },
  { ...SIGNED, vendor: 'anthropic', signature: 'eHh4', redacted: true },
  { kind: 'reasoning', choice: 0, text: 'c' },
  { ...SIGNED, vendor: 'gemini', signature: 'Z2Vt' },
  { kind: 'refusal', choice: 0, text: 'no' },
  { kind: 'annotation', choice: 0, annotation: { url: 'https://h', title: 't', startIndex: 1, endIndex: 2 } },
  { kind: 'image', choice: 0, url: 'data:image/png;base64,AAAA' },
  { kind: 'audio', choice: 0, mediaType: 'audio/wav', data: 'YQ==' },
  { kind: 'audio', choice: 0, mediaType: 'audio/wav', data: 'Yg==' },
  { kind: 'tool_call', choice: 0, index: 7, id: 'c7', name: 'f', arguments: '{}', signature: 'Zg==' },
  { kind: 'tool_call', choice: 0, index: 3, id: 'c3', name: 'g', custom: true },
  { kind: 'tool_call', choice: 0, index: 3, arguments: 'text', custom: true },
  { kind: 'tool_call', choice: 0, index: 3, signature: 'Zw==' },
  { kind: 'finish', choice: 0, reason: 'stop', providerReason: 'pause_turn' },
];

describe('chat renderer, streamed', () => {
  const chunks = (...choices: string[]): string =>
    choices.map((choice) => `data: {${HEAD},"choices":[${choice}]}\n\n`).join('');
  const field = (text: string, index = 0): string =>
    `{"index":${index},"delta":{${text}},"logprobs":null,"finish_reason":null}`;
  const role = (index = 0): string => field('"role":"assistant","content":""', index);
  const finish = (reason: string, extra = '', index = 0): string =>
    `{"index":${index},"delta":{},"logprobs":null,"finish_reason":"${reason}"${extra}}`;

  it('writes each choice its role first, then what came, then [DONE]', () => {
    const logprobs =
      '{"content":[{"token":"Hi","logprob":-0.5,"bytes":[72,105],"top_logprobs":[{"token":"Yo","logprob":-1,"bytes":null}]}]}';
    const expected = chunks(
      role(),
      field('"reasoning_content":"hm"'),
      `{"index":0,"delta":{"content":"Hi\\n"},"logprobs":${logprobs},"finish_reason":null}`,
      role(1),
      field('"content":"\\"é\\""', 1),
      field('"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"f","arguments":""}}]'),
      field('"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\":"}}]'),
      field('"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]'),
      finish('tool_calls'),
      finish('stop', ',"matched_stop":13', 1),
    );
    assert.equal(render({ stream: true }, ANSWER), `${expected}data: [DONE]\n\n`);
    assert.equal(
      render({ stream: true, stream_options: { include_usage: false } }, ANSWER),
      `${expected}data: [DONE]\n\n`,
    );
  });

  it('adds the usage chunk only when it was asked for', () => {
    const text = render({ stream: true, stream_options: { include_usage: true } }, ANSWER);
    const usage =
      '{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":2,"cache_creation_tokens":1}}';
    assert.ok(text.endsWith(`data: {${HEAD},"choices":[],"usage":${usage}}\n\ndata: [DONE]\n\n`), text);
    const events = text.split('\n\n').slice(0, -3);
    assert.equal(events.length, 10);
    for (const event of events) assert.ok(event.endsWith('],"usage":null}'), event);
  });

  it('gives an empty answer a role and a finish', () => {
    assert.equal(
      render({ stream: true }, [{ kind: 'finish', choice: 0, reason: 'length' }]),
      `${chunks(role(), finish('length'))}data: [DONE]\n\n`,
    );
  });

  it('writes every extension in a chunk of its own', () => {
    assert.equal(
      render({ stream: true }, EXTENSIONS),
      `${chunks(
        role(),
        field('"reasoning_content":"a"'),
        field('"reasoning_content":"b"'),
        field('"thinking_blocks":[{"type":"thinking","thinking":"ab","signature":"c2ln"}]'),
        field('"thinking_blocks":[{"type":"redacted_thinking","data":"eHh4"}]'),
        field('"reasoning_content":"c"'),
        field('"thinking_blocks":[{"type":"thinking","thinking":"c","signature":"Z2Vt","vendor":"gemini"}]'),
        field('"refusal":"no"'),
        field(
          '"annotations":[{"type":"url_citation","url_citation":{"url":"https://h","title":"t","start_index":1,"end_index":2}}]',
        ),
        field('"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]'),
        field('"audio":{"id":"audio_chatcmpl-1","expires_at":1700000000,"data":"YQ=="}'),
        field('"audio":{"data":"Yg=="}'),
        field(
          '"tool_calls":[{"index":0,"id":"c7","type":"function","function":{"name":"f","arguments":""},"extra_content":{"google":{"thought_signature":"Zg=="}}}]',
        ),
        field('"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]'),
        field('"tool_calls":[{"index":1,"id":"c3","type":"custom","custom":{"name":"g","input":""}}]'),
        field('"tool_calls":[{"index":1,"custom":{"input":"text"}}]'),
        field('"tool_calls":[{"index":1,"extra_content":{"google":{"thought_signature":"Zw=="}}}]'),
        finish('tool_calls', ',"provider_finish_reason":"pause_turn"'),
      )}data: [DONE]\n\n`,
    );
  });

  it('takes id and model from the worker, until the first chunk has gone out', () => {
    const text = render({ stream: true }, [
      { kind: 'start', responseId: 'x', model: 'm-1' },
      { kind: 'content', choice: 0, text: 'a' },
      { kind: 'start', responseId: 'y', model: 'm-2' },
      { kind: 'finish', choice: 0, reason: 'stop' },
    ]);
    const heads = text
      .split('\n\n')
      .slice(0, -2)
      .map((event) => JSON.parse(event.slice(6)));
    assert.deepEqual(
      heads.map(({ id, model }) => [id, model]),
      [
        ['chatcmpl-x', 'm-1'],
        ['chatcmpl-x', 'm-1'],
        ['chatcmpl-x', 'm-1'],
      ],
    );
  });

  it('says that it is alive in a comment', () => {
    const deltas: Delta[] = [{ kind: 'keep_alive' }, { kind: 'finish', choice: 0, reason: 'stop' }];
    assert.ok(render({ stream: true }, deltas).startsWith(': keep-alive\n\ndata: '));
    assert.equal(JSON.parse(render({}, deltas)).choices.length, 1);
  });

  it('waits with the head of a call for its name or arguments', () => {
    const call = (fields: object): Delta => ({ kind: 'tool_call', choice: 0, index: 4, ...fields });
    assert.equal(
      render({ stream: true }, [
        call({ id: 'a' }),
        call({ name: 'f' }),
        call({ arguments: '' }),
        call({ arguments: '{}' }),
      ]),
      `${chunks(
        role(),
        field('"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]'),
        field('"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]'),
      )}data: [DONE]\n\n`,
    );
  });

  it('mints an id for a call without one', () => {
    const text = render({ stream: true }, [{ kind: 'tool_call', choice: 1, index: 2, name: 'f' }]);
    assert.match(text, /"id":"call_chatcmpl-1_1_2","type":"function","function":\{"name":"f","arguments":""\}/);
  });

  it('drops what only a vendor knows, and counts it', () => {
    for (const fields of [{ stream: true }, {}]) {
      const target = renderer(fields);
      for (const delta of ANSWER) target.delta(delta);
      assert.equal(target.droppedDeltas, 1);
    }
  });

  it('answers an error in band, without [DONE]', () => {
    const error = renderer({ stream: true }).error(new GatewayError('upstream_reset', 'gone'));
    assert.equal(
      error?.toString(),
      'data: {"error":{"message":"gone","type":"server_error","param":null,"code":"upstream_reset"}}\n\n',
    );
  });

  it('says event stream', () => {
    assert.equal(renderer({ stream: true }).headers().get('content-type'), 'text/event-stream; charset=utf-8');
    assert.equal(renderer({}).headers().get('content-type'), 'application/json');
  });
});

describe('chat renderer, collected', () => {
  it('joins the same deltas into one object', () => {
    assert.deepEqual(JSON.parse(render({}, ANSWER)), {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1700000000,
      model: 'm',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'Hi\n',
            reasoning_content: 'hm',
            tool_calls: [{ id: 'call_a', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
          },
          logprobs: {
            content: [
              {
                token: 'Hi',
                logprob: -0.5,
                bytes: [72, 105],
                top_logprobs: [{ token: 'Yo', logprob: -1, bytes: null }],
              },
            ],
          },
          finish_reason: 'tool_calls',
        },
        {
          index: 1,
          message: { role: 'assistant', content: '"é"' },
          logprobs: null,
          finish_reason: 'stop',
          matched_stop: 13,
        },
      ],
      usage: {
        prompt_tokens: 3,
        completion_tokens: 4,
        total_tokens: 7,
        prompt_tokens_details: { cached_tokens: 2, cache_creation_tokens: 1 },
      },
    });
  });

  it('has null content where there are only calls, and no usage where none is known', () => {
    const body = JSON.parse(
      render({}, [{ kind: 'tool_call', choice: 0, index: 0, id: 'c', name: 'f', arguments: '{}' }]),
    );
    assert.equal(body.choices[0].message.content, null);
    assert.equal('usage' in body, false);
  });

  it('has a place for every extension', () => {
    const body = JSON.parse(render({}, [{ kind: 'start', responseId: 'x', model: 'm-1' }, ...EXTENSIONS]));
    assert.deepEqual([body.id, body.model], ['chatcmpl-x', 'm-1']);
    assert.deepEqual(body.choices, [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: null,
          refusal: 'no',
          reasoning_content: 'abc',
          thinking_blocks: [
            { type: 'thinking', thinking: 'ab', signature: 'c2ln' },
            { type: 'redacted_thinking', data: 'eHh4' },
            { type: 'thinking', thinking: 'c', signature: 'Z2Vt', vendor: 'gemini' },
          ],
          annotations: [
            { type: 'url_citation', url_citation: { url: 'https://h', title: 't', start_index: 1, end_index: 2 } },
          ],
          images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }],
          audio: { id: 'audio_chatcmpl-x', expires_at: 1700000000, data: 'YWI=', transcript: '' },
          tool_calls: [
            {
              id: 'c7',
              type: 'function',
              function: { name: 'f', arguments: '{}' },
              extra_content: { google: { thought_signature: 'Zg==' } },
            },
            {
              id: 'c3',
              type: 'custom',
              custom: { name: 'g', input: 'text' },
              extra_content: { google: { thought_signature: 'Zw==' } },
            },
          ],
        },
        logprobs: null,
        finish_reason: 'tool_calls',
        provider_finish_reason: 'pause_turn',
      },
    ]);
  });

  it('gives thoughts back as it read them', () => {
    const { message } = JSON.parse(render({}, EXTENSIONS)).choices[0];
    const { turns } = readChatConversation({ messages: [{ ...message, audio: null }] }, false);
    assert.deepEqual(turns[0]?.parts.map(({ param: _, ...part }) => part).slice(0, 3), [
      { kind: 'reasoning', text: 'ab', vendor: 'anthropic', signature: 'c2ln' },
      { kind: 'redacted_reasoning', vendor: 'anthropic', data: 'eHh4' },
      { kind: 'reasoning', text: 'c', vendor: 'gemini', signature: 'Z2Vt' },
    ]);
  });

  it('says the same as the stream', () => {
    const events = render({ stream: true }, ANSWER).split('\n\n').slice(0, -2);
    const content: string[] = ['', ''];
    for (const event of events) {
      const [choice] = JSON.parse(event.slice(6)).choices;
      content[choice.index] += choice.delta.content ?? '';
    }
    const collected = JSON.parse(render({}, ANSWER)).choices;
    assert.deepEqual(
      content,
      collected.map((choice: { message: { content: string } }) => choice.message.content),
    );
  });
});
