import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DeltaRenderer } from '../../../core/api/client-api.js';
import { GatewayError } from '../../../core/api/errors.js';
import type { Delta, InferenceRequest } from '../../../core/api/inference.js';
import { readInferenceRequest } from '../../../core/inference/inference-request.js';
import { JsonScanner } from '../../../core/inference/json-scan.js';
import chat from './plugin.js';

const CONTEXT = { responseId: 'chatcmpl-1', createdS: 1700000000, model: 'm' };
const HEAD = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m"';

function renderer(fields: object): DeltaRenderer {
  const api = chat.create({}, { onDispose: () => undefined });
  assert.ok(!(api instanceof Promise) && api.createRenderer);
  const body = Buffer.from(JSON.stringify({ model: 'm', messages: [], ...fields }));
  const request = readInferenceRequest(api, 'application/json', body, new JsonScanner()) as InferenceRequest;
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
  { kind: 'usage', usage: { completionTokens: 4, cachedTokens: 2, reasoningTokens: 0 } },
];

describe('chat renderer, streamed', () => {
  it('writes role once a choice, then what came, then [DONE]', () => {
    const logprobs =
      '{"content":[{"token":"Hi","logprob":-0.5,"bytes":[72,105],"top_logprobs":[{"token":"Yo","logprob":-1,"bytes":null}]}]}';
    const choices = [
      '{"index":0,"delta":{"role":"assistant","reasoning_content":"hm"},"logprobs":null,"finish_reason":null}',
      `{"index":0,"delta":{"content":"Hi\\n"},"logprobs":${logprobs},"finish_reason":null}`,
      '{"index":1,"delta":{"role":"assistant","content":"\\"é\\""},"logprobs":null,"finish_reason":null}',
      '{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"f","arguments":"{\\"a\\":"}}]},"logprobs":null,"finish_reason":null}',
      '{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},"logprobs":null,"finish_reason":null}',
      '{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}',
      '{"index":1,"delta":{},"logprobs":null,"finish_reason":"stop","matched_stop":13}',
    ];
    const expected = choices.map((choice) => `data: {${HEAD},"choices":[${choice}]}\n\n`).join('');
    assert.equal(render({ stream: true }, ANSWER), `${expected}data: [DONE]\n\n`);
    assert.equal(
      render({ stream: true, stream_options: { include_usage: false } }, ANSWER),
      `${expected}data: [DONE]\n\n`,
    );
  });

  it('adds the usage chunk only when it was asked for', () => {
    const text = render({ stream: true, stream_options: { include_usage: true } }, ANSWER);
    const usage =
      '{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":2}}';
    assert.ok(text.endsWith(`data: {${HEAD},"choices":[],"usage":${usage}}\n\ndata: [DONE]\n\n`), text);
    for (const event of text.split('\n\n').slice(0, 7)) assert.ok(event.endsWith('],"usage":null}'), event);
  });

  it('gives an empty answer a role and content', () => {
    assert.equal(
      render({ stream: true }, [{ kind: 'finish', choice: 0, reason: 'length' }]),
      `data: {${HEAD},"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":"length"}]}\n\ndata: [DONE]\n\n`,
    );
  });

  it('mints an id for a call without one', () => {
    const text = render({ stream: true }, [{ kind: 'tool_call', choice: 1, index: 2, name: 'f' }]);
    assert.match(text, /"id":"call_chatcmpl-1_1_2","type":"function","function":\{"name":"f","arguments":""\}/);
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
      usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7, prompt_tokens_details: { cached_tokens: 2 } },
    });
  });

  it('has null content where there are only calls, and no usage where none is known', () => {
    const body = JSON.parse(
      render({}, [{ kind: 'tool_call', choice: 0, index: 0, id: 'c', name: 'f', arguments: '{}' }]),
    );
    assert.equal(body.choices[0].message.content, null);
    assert.equal('usage' in body, false);
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
