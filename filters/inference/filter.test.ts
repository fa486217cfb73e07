import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import {
  type ClientApi,
  type Delta,
  type FilterFactoryCb,
  GatewayError,
  RequestHeaders,
  ResponseHeaders,
} from '../../core/api/index.js';
import { renderPrometheus } from '../../core/telemetry/prometheus-exposition.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { createFilterHarness, FakeClock, type FilterHarness } from '../../core/testing/index.js';
import chatApi from '../../plugins/api/chat/plugin.js';
import generateApi from '../../plugins/api/generate/plugin.js';
import messagesApi from '../../plugins/api/messages/plugin.js';
import rerankApi from '../../plugins/api/rerank/plugin.js';
import { configSchema } from './config.js';
import factory from './factory.js';

const lifetime = { onDispose: () => undefined };
const chat = chatApi.create({}, lifetime) as ClientApi;
const generate = generateApi.create({}, lifetime) as ClientApi;
const messages = messagesApi.create({}, lifetime) as ClientApi;
const rerank = rerankApi.create({}, lifetime) as ClientApi;

const BODY = '{"model":"m","messages":[{"role":"user","content":"Hi"}]}';
const MESSAGES_BODY = '{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}';
const STREAM_BODY = '{"model":"m","messages":[],"stream":true}';

function harness(
  options: { api?: ClientApi; config?: object; above?: FilterFactoryCb; stats?: StatsStore } = {},
): FilterHarness {
  const inference = factory.create(
    configSchema.parse(options.config ?? {}),
    lifetime,
    new FakeClock(),
    options.stats ?? new StatsStore(),
  ) as FilterFactoryCb;
  const above = options.above === undefined ? [] : [{ name: 'above', factory: options.above }];
  return createFilterHarness([...above, { name: 'inference', factory: inference }], {
    prepare: (info) => {
      info.api = options.api ?? chat;
      info.requestId = 'chatcmpl-7';
    },
  });
}

function head(...flat: string[]): RequestHeaders {
  return new RequestHeaders('POST', '/v1/chat/completions', 'gateway.test', 'http', flat);
}

const JSON_TYPE = ['content-type', 'application/json'] as const;

/** A chain whose request has reached the terminal. */
function asked(body: string, options: Parameters<typeof harness>[0] = {}): FilterHarness {
  const chain = harness(options);
  chain.sendHeaders(head(...JSON_TYPE), false);
  chain.sendData(body, true);
  assert.ok(chain.terminal.request, chain.response.body);
  return chain;
}

describe('inference, down', () => {
  it('hands one request to the filters below, with its own copy of the bytes received', () => {
    const chain = harness();
    chain.sendHeaders(head(...JSON_TYPE, 'content-length', String(BODY.length), 'transfer-encoding', 'chunked'), false);
    const bytes = Buffer.from(BODY);
    chain.manager.decodeData(0, bytes, true);
    bytes.fill('x');
    const { terminal } = chain;
    assert.equal(terminal.request?.bytes().toString(), BODY);
    assert.equal(terminal.request?.model, 'm');
    assert.equal(terminal.headers?.has('content-length'), false);
    assert.equal(terminal.headers?.has('transfer-encoding'), false);
    assert.equal(terminal.chunks.length, 0);
    assert.equal(chain.streamInfo.inference, terminal.request);
  });

  it('reads the same request from any pieces, also one that ends with trailers', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(BODY.length), { maxLength: 6 }),
        fc.boolean(),
        fc.boolean(),
        (cuts, declared, late) => {
          const chain = harness();
          chain.sendHeaders(head(...JSON_TYPE, ...(declared ? ['content-length', String(BODY.length)] : [])), false);
          let from = 0;
          for (const cut of cuts.sort((a, b) => a - b)) {
            chain.sendData(BODY.slice(from, cut), false);
            from = cut;
          }
          chain.sendData(BODY.slice(from), !late);
          if (late) chain.sendData('', true);
          assert.equal(chain.terminal.request?.bytes().toString(), BODY);
        },
      ),
    );
  });

  for (const [name, type, status] of [
    ['missing', undefined, 0],
    ['json', 'application/json', 0],
    ['json with charset', 'Application/JSON; charset=utf-8', 0],
    ['json suffix', 'application/vnd.api+json', 0],
    ['form', 'application/x-www-form-urlencoded', 415],
    ['text', 'text/plain', 415],
    ['multipart', 'multipart/form-data; boundary=x', 415],
  ] as const) {
    it(`content type ${name}: ${status === 0 ? 'accepted' : status}`, () => {
      const chain = harness();
      chain.sendHeaders(head(...(type === undefined ? [] : ['content-type', type])), false);
      chain.sendData(BODY, true);
      if (status === 0) {
        assert.ok(chain.terminal.request);
        return;
      }
      assert.equal(chain.response.headers?.status, status);
      assert.equal(chain.response.json.error.code, 'unsupported_media_type');
      assert.match(chain.response.json.error.message, /Content-Type/);
      assert.equal(chain.terminals[0]?.headers, undefined);
    });
  }

  it('refuses compressed bodies', () => {
    const chain = harness();
    chain.sendHeaders(head(...JSON_TYPE, 'content-encoding', 'gzip'), false);
    assert.equal(chain.response.headers?.status, 415);
    assert.match(chain.response.json.error.message, /Content-Encoding/);
  });

  it('refuses a declared length above the limit at once', () => {
    const chain = harness({ config: { max_body: '1KiB' } });
    chain.sendHeaders(head(...JSON_TYPE, 'content-length', '1025'), false);
    assert.equal(chain.response.headers?.status, 413);
    assert.equal(chain.response.json.error.code, 'request_body_too_large');
  });

  it('counts a body without a length as it comes; the limit itself is accepted', () => {
    const config = { max_body: '1024B' };
    const exact = harness({ config });
    exact.sendHeaders(head(...JSON_TYPE), false);
    exact.sendData(BODY, false);
    exact.sendData(' '.repeat(1024 - BODY.length), true);
    assert.equal(exact.terminal.request?.bytes().length, 1024);
    const over = harness({ config });
    over.sendHeaders(head(...JSON_TYPE), false);
    over.sendData(BODY, false);
    over.sendData(' '.repeat(1025 - BODY.length), false);
    assert.equal(over.response.headers?.status, 413);
    over.sendData('more', true);
    assert.equal(over.response.ends, 1);
    assert.equal(over.terminals[0]?.request, undefined);
  });

  it('answers what is wrong with a body, and no worker sees it', () => {
    const cases: readonly (readonly [string, string, string | null])[] = [
      ['{"model":"m",}', 'invalid_json', null],
      ['{"messages":[]}', 'missing_required_parameter', 'model'],
      ['{"model":7}', 'invalid_type', 'model'],
      ['{"model":"m","stream":"yes"}', 'invalid_type', 'stream'],
      ['', 'invalid_json', null],
      [`{"model":"m","a":${'['.repeat(512)}${']'.repeat(512)}}`, 'invalid_json', null],
    ];
    for (const [body, code, param] of cases) {
      const chain = harness();
      chain.sendHeaders(head(...JSON_TYPE), false);
      chain.sendData(body, true);
      assert.equal(chain.response.headers?.status, 400, body);
      assert.equal(chain.response.json.error.code, code);
      assert.equal(chain.response.json.error.param, param);
      assert.equal(chain.terminals[0]?.headers, undefined);
    }
  });

  it('refuses a request without a body', () => {
    const chain = harness();
    chain.sendHeaders(head(...JSON_TYPE), true);
    assert.equal(chain.response.json.error.code, 'invalid_json');
  });

  it('lets a body without model through where the api has any worker', () => {
    assert.equal(asked('{"text":"x"}', { api: generate }).terminal.request?.model, undefined);
  });
});

function answer(chain: FilterHarness, type: string, chunks: readonly string[], status = 200): void {
  const { callbacks } = chain.terminal;
  callbacks.encodeHeaders(new ResponseHeaders(status, ['content-type', type]), chunks.length === 0);
  chunks.forEach((chunk, index) => {
    callbacks.encodeData(Buffer.from(chunk), index === chunks.length - 1);
  });
}

const CHUNK = 'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n';
const USAGE = 'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}\n\n';
const SSE = 'text/event-stream; charset=utf-8';

describe('inference, bytes up', () => {
  it('passes a complete stream as it came', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(180), { maxLength: 5 }), (cuts) => {
        const text = `${CHUNK}${USAGE}data: [DONE]\n\n`;
        const places = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
        const chain = asked(STREAM_BODY);
        answer(
          chain,
          SSE,
          places.slice(1).map((place, index) => text.slice(places[index], place)),
        );
        assert.equal(chain.response.body, text);
        assert.equal(chain.response.ends, 1);
        assert.equal(chain.response.error, undefined);
      }),
    );
  });

  it('never ends a stream that lacks its terminator', () => {
    for (const chunks of [[CHUNK], [CHUNK, ''], [`${CHUNK}data: {"cho`], [`${CHUNK}data: [DON`, '']]) {
      const chain = asked(STREAM_BODY);
      answer(chain, SSE, chunks);
      assert.equal(chain.response.ends, 0);
      assert.equal(chain.response.body, chunks.join(''));
      assert.equal(chain.response.error?.code, 'upstream_reset');
      assert.equal(chain.response.error?.details, 'stream_truncated');
    }
  });

  it('answers an empty stream with an error', () => {
    const chain = asked(STREAM_BODY);
    answer(chain, SSE, []);
    assert.equal(chain.response.headers, undefined);
    assert.equal(chain.response.error?.code, 'upstream_reset');
  });

  it('leaves alone what is not a stream that was asked for', () => {
    const cases: readonly (readonly [string, string, number])[] = [
      [BODY, SSE, 200],
      [STREAM_BODY, 'application/json', 200],
      [STREAM_BODY, SSE, 500],
      [BODY, 'text/plain', 200],
    ];
    for (const [body, type, status] of cases) {
      const chain = asked(body);
      answer(chain, type, ['{"error":', '"x"}'], status);
      assert.equal(chain.response.body, '{"error":"x"}');
      assert.equal(chain.response.ends, 1);
      assert.equal(chain.response.headers?.status, status);
    }
  });

  it('knows the Anthropic terminator', () => {
    const start =
      'event: message_start\ndata: {"message":{"usage":{"input_tokens":3,"cache_read_input_tokens":10,"output_tokens":1}}}\n\n';
    const delta = 'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":8}}\n\n';
    const stop = 'event: message_stop\ndata: {"type":"message_stop"}\n\n';
    const chain = asked(MESSAGES_BODY, { api: messages });
    answer(chain, SSE, [start, delta, stop, '']);
    assert.equal(chain.response.ends, 1);
    const cut = asked(MESSAGES_BODY, { api: messages });
    answer(cut, SSE, [start, delta, '']);
    assert.equal(cut.response.error?.details, 'stream_truncated');
  });
});

const DELTAS: readonly Delta[] = [
  { kind: 'content', choice: 0, text: 'Hi' },
  { kind: 'usage', usage: { promptTokens: 5, completionTokens: 2 } },
  { kind: 'finish', choice: 0, reason: 'stop' },
];

function answerDeltas(chain: FilterHarness, deltas: readonly Delta[]): void {
  const { callbacks } = chain.terminal;
  callbacks.encodeHeaders(new ResponseHeaders(200, ['x-served-by', 'w1', 'content-length', '9'], 'deltas'), false);
  deltas.forEach((delta, index) => {
    callbacks.encodeDelta(delta, index === deltas.length - 1);
  });
}

describe('inference, deltas up', () => {
  it('renders a stream, event by event', () => {
    const chain = asked(STREAM_BODY);
    answerDeltas(chain, DELTAS);
    assert.deepEqual(chain.exceptions, []);
    assert.equal(chain.response.headers?.kind, 'bytes');
    assert.equal(chain.response.headers?.get('content-type'), SSE);
    assert.equal(chain.response.headers?.get('x-served-by'), 'w1');
    assert.equal(chain.response.headers?.has('content-length'), false);
    assert.match(
      chain.response.body,
      /^data: \{"id":"chatcmpl-7",.*"role":"assistant".*\n\ndata: .*"content":"Hi".*\n\ndata: .*"finish_reason":"stop".*\n\ndata: \[DONE\]\n\n$/,
    );
    assert.equal(chain.response.chunks.length, 2);
    assert.equal(chain.response.ends, 1);
  });

  it('counts what the dialect has no place for', () => {
    const stats = new StatsStore();
    const chain = asked(BODY, { stats });
    answerDeltas(chain, [
      { kind: 'vendor', choice: 0, vendor: 'x', data: {} },
      { kind: 'content', choice: 0, text: 'Hi' },
      { kind: 'vendor', choice: 0, vendor: 'x', data: {} },
      { kind: 'finish', choice: 0, reason: 'stop' },
    ]);
    const text = renderPrometheus(stats);
    assert.match(text, /^smg_inference_dropped_deltas_total\{api="chat"\} 2$/m);
  });

  it('collects an answer that is not streamed', () => {
    const chain = asked(BODY);
    answerDeltas(chain, DELTAS);
    assert.deepEqual(chain.exceptions, []);
    const body = JSON.parse(chain.response.body);
    assert.equal(body.choices[0].message.content, 'Hi');
    assert.equal(body.model, 'm');
    assert.equal(chain.response.headers?.get('content-length'), String(chain.response.body.length));
    assert.equal(chain.response.ends, 1);
  });

  it('never completes an answer of which a choice did not finish', () => {
    for (const body of [BODY, STREAM_BODY]) {
      const chain = asked(body);
      answerDeltas(chain, [...DELTAS, { kind: 'content', choice: 1, text: 'half' }]);
      assert.equal(chain.response.ends, 0);
      assert.equal(chain.response.error?.details, 'stream_truncated');
      assert.doesNotMatch(chain.response.body, /\[DONE\]/);
    }
  });

  it('keeps the status of an error that comes before the first bytes', () => {
    const chain = asked(STREAM_BODY);
    const { callbacks } = chain.terminal;
    callbacks.encodeHeaders(new ResponseHeaders(200, [], 'deltas'), false);
    callbacks.sendLocalReply(new GatewayError('overloaded', 'full'));
    assert.equal(chain.response.headers, undefined);
    assert.equal(chain.response.error?.code, 'overloaded');
  });

  it('says so where a dialect cannot be rendered', () => {
    const chain = asked('{"model":"m","query":"x"}', { api: rerank });
    answerDeltas(chain, DELTAS);
    assert.equal(chain.response.error?.code, 'endpoint_not_supported');
  });

  it('ends a rendered answer that makes no sense with an error', () => {
    const chain = asked(MESSAGES_BODY, { api: messages });
    answerDeltas(chain, [
      { kind: 'tool_call', choice: 0, index: 0, name: 'f', arguments: '{' },
      { kind: 'content', choice: 0, text: 'text' },
      { kind: 'tool_call', choice: 0, index: 0, arguments: '}' },
    ]);
    assert.equal(chain.response.ends, 0);
    assert.equal(chain.response.error?.code, 'upstream_protocol_error');
  });
});

describe('a worker’s own error', () => {
  const ENVELOPE = /^\{"type":"error","error":\{"type":"rate_limit_error","message":"slow down"\},"request_id":/;

  it('gets the envelope of the client’s dialect, with its status and message', () => {
    for (const body of ['{"error":{"message":"slow down","code":429}}', '{"object":"error","message":"slow down"}']) {
      for (const pieces of [[body, ''], [...body, ''], [body]]) {
        const chain = asked(MESSAGES_BODY, { api: messages });
        answer(chain, 'application/json', pieces, 429);
        assert.equal(chain.response.ends, 1);
        assert.equal(chain.response.headers?.status, 429);
        assert.match(chain.response.body, ENVELOPE);
        assert.equal(chain.response.headers?.get('content-length'), String(chain.response.body.length));
      }
    }
  });

  it('passes as it is where it has that form already, or the dialect asks for none', () => {
    const own = '{"type":"error","error":{"type":"odd_error","message":"x","extra":1}}';
    const chain = asked(MESSAGES_BODY, { api: messages });
    answer(chain, 'application/json', [own, ''], 400);
    assert.equal(chain.response.body, own);
    const chat = asked(STREAM_BODY);
    answer(chat, 'application/json', ['{"error":{}}', ''], 400);
    assert.equal(chat.response.body, '{"error":{}}');
  });

  it('says something even where the worker does not', () => {
    const said = (body: string): unknown => {
      const chain = asked(MESSAGES_BODY, { api: messages });
      answer(chain, 'text/plain', [body, ''], 500);
      return (JSON.parse(chain.response.body) as { error: { message: string } }).error.message;
    };
    assert.equal(said(''), 'The worker answered with status 500');
    assert.equal(said('Internal Server Error'), 'Internal Server Error');
    assert.equal(said('{"detail":[{"loc":["body"]}]}'), '[{"loc":["body"]}]');
    assert.equal(said('x'.repeat(5000)), 'x'.repeat(2048));
  });
});

describe('inference config', () => {
  it('reads the example of the README', () => {
    const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
    const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(text) ?? [];
    const [entry] = parse(yaml ?? '').filters;
    assert.equal(entry.name, 'inference');
    assert.equal(configSchema.parse(entry.config).max_body, 64 * 2 ** 20);
  });

  it('has defaults and refuses nonsense', () => {
    assert.deepEqual(configSchema.parse({}), { max_body: 2 ** 30, max_depth: 512 });
    for (const config of [
      { max_body: '5 parsecs' },
      { max_body: '0B' },
      { max_body: '2GiB' },
      { max_depth: 1 },
      { surprise: 1 },
    ]) {
      assert.equal(configSchema.safeParse(config).success, false, JSON.stringify(config));
    }
  });
});
