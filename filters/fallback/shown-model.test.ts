import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonScanner } from '../../core/inference/json-scan.js';
import { createBench } from './fallback-bench.fixture.js';
import { renameModel } from './shown-model.js';

const scanner = new JsonScanner();
const rename = (json: string): string => renameModel(Buffer.from(json), scanner, Buffer.from('"m"')).toString();

test('the name is replaced where the dialects have it, and nowhere else', () => {
  for (const [received, sent] of [
    ['{"id":"1","model":"big-2024","x":{"model":"y"}}', '{"id":"1","model":"m","x":{"model":"y"}}'],
    ['{ "message": {"model":"big", "content":[]} }', '{ "message": {"model":"m", "content":[]} }'],
    ['{"response":{"id":1,"model":"big"}}', '{"response":{"id":1,"model":"m"}}'],
    ['{"choices":[{"delta":{"content":"\\"model\\":\\"x\\""}}]}', undefined],
    ['{"model":null}', undefined],
    ['{"message":"model"}', undefined],
    ['[1]', undefined],
    ['not json "model"', undefined],
  ] as const) {
    assert.equal(rename(received), sent ?? received);
  }
});

const EVENTS =
  'data: {"model":"big","choices":[]}\n\nevent: message_start\ndata: {"message":{"model":"big"}}\n\n: comment\n\ndata: {"text":"\\"model\\""}\r\n\r\ndata: [DONE]\n\n';
const RENAMED = EVENTS.replaceAll('"model":"big"', '"model":"m"');
const JSON_BODY = '{"object":"chat.completion","model":"big","choices":[]}';

/** The answer of cluster `b`, which was asked for another model, in pieces that end at these places. */
function answerOf(type: string, body: string, cuts: readonly number[]): string {
  const bench = createBench({ config: { to: [{ cluster: 'b', model: 'big' }] } });
  bench.onTurn = (turn, index) => {
    if (index === 0) turn.fail('upstream_reset');
  };
  bench.start();
  bench.last.head(200, ['content-type', type, 'content-length', String(body.length)]);
  let at = 0;
  for (const cut of [...new Set(cuts.map((each) => each % body.length))].sort((a, b) => a - b)) {
    bench.last.data(body.slice(at, cut));
    at = cut;
  }
  bench.last.data(body.slice(at), true);
  const { response } = bench.harness;
  assert.equal(response.headers?.has('content-length'), false);
  assert.equal(response.ends, 1);
  return response.body;
}

test('in streams and in JSON, however they are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(400), { maxLength: 8 }), (cuts) => {
      assert.equal(answerOf('text/event-stream', EVENTS, cuts), RENAMED);
      assert.equal(answerOf('application/json', JSON_BODY, cuts), JSON_BODY.replace('"big"', '"m"'));
    }),
    { numRuns: 200 },
  );
});

test('another type is passed on as it is', () => {
  const bench = createBench({ config: { to: [{ cluster: 'b', model: 'big' }] } });
  bench.onTurn = (turn, index) => {
    if (index === 0) turn.fail('upstream_reset');
    else turn.answer(200, JSON_BODY, ['content-type', 'text/plain', 'content-length', '55']);
  };
  bench.start();
  assert.equal(bench.harness.response.body, JSON_BODY);
  assert.equal(bench.harness.response.headers?.get('content-length'), '55');
});
