import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BackendSink, type Delta, GatewayError, HeaderMap, ResponseHeaders } from '../../../core/api/index.js';
import { TranslatedExchange } from './translated-exchange.js';
import { classOfStatus, createUpstreamError } from './upstream-error.js';
import type { AnswerDecoder, EncodedRequest, WorkerDialect } from './worker-dialect.js';

/** A dialect in small: an event is a word of the answer; `end` ends it, `oops` is an error, `…` a sign of life. */
class WordDecoder implements AnswerDecoder {
  #finishSeen = false;

  onAnswer(answer: Record<string, unknown>, emit: (delta: Delta) => void): void {
    for (const word of answer.words as string[]) emit({ kind: 'content', choice: 0, text: word });
    emit({ kind: 'finish', choice: 0, reason: 'stop' });
  }

  onEvent(event: string | undefined, data: string, emit: (delta: Delta) => void): boolean {
    if (data === 'oops') throw new GatewayError('overloaded', 'too much', { upstreamStatus: 529 });
    if (data === '…') emit({ kind: 'keep_alive' });
    else if (event === 'start') emit({ kind: 'start', responseId: data });
    else if (data === 'end' || data === 'finish') {
      this.#finishSeen = true;
      emit({ kind: 'finish', choice: 0, reason: 'stop' });
      emit({ kind: 'usage', usage: { completionTokens: 2 } });
    } else emit({ kind: 'content', choice: 0, text: data });
    return data === 'end';
  }

  onEnd(): boolean {
    return this.#finishSeen;
  }
}

const REQUEST: EncodedRequest = { path: '/', body: {}, dropped: ['seed'], createDecoder: () => new WordDecoder() };

const DIALECT: WorkerDialect = {
  type: 'words',
  nativeApis: [],
  encode: () => REQUEST,
  readError: (status, _headers, body) =>
    createUpstreamError({ status, errorClass: classOfStatus(status), message: body }),
  keepHeader: (name, value) => (name === 'x-limit' ? ['x-ratelimit-limit-requests', `${value}0`] : undefined),
};

class Recorder implements BackendSink {
  readonly calls: string[] = [];
  headers: ResponseHeaders | undefined = undefined;
  error: GatewayError | undefined = undefined;

  onHeaders(headers: ResponseHeaders): void {
    this.headers = headers;
    this.calls.push('head');
  }
  onData(): void {
    this.calls.push('data');
  }
  onTrailers(): void {
    this.calls.push('trailers');
  }
  onDelta(delta: Delta, endStream: boolean): void {
    this.calls.push((delta.kind === 'content' ? delta.text : delta.kind) + (endStream ? '.' : ''));
  }
  onError(error: GatewayError): void {
    this.error = error;
    this.calls.push(`error ${error.code}`);
  }
}

function answer(status: number, type: string, pieces: readonly string[], end: 'end' | 'trailers' | 'break' = 'end') {
  const sink = new Recorder();
  const exchange = new TranslatedExchange(DIALECT, REQUEST, sink);
  exchange.onHeaders(new ResponseHeaders(status, ['content-type', type, 'x-limit', '9', 'server', 'x']), false);
  for (const piece of pieces) exchange.onData(Buffer.from(piece), false);
  if (end === 'end') exchange.onData(Buffer.alloc(0), true);
  else if (end === 'trailers') exchange.onTrailers(new HeaderMap());
  else exchange.onError(new GatewayError('upstream_reset', 'broke'));
  return sink;
}

const events = (pieces: readonly string[], end: 'end' | 'trailers' | 'break' = 'end') =>
  answer(200, 'text/event-stream', pieces, end);
const STREAM = 'event: start\ndata: id\n\ndata: …\n\ndata: Hi\n\ndata: …\n\ndata: you\n\ndata: end\n\n';

describe('the answer of a worker with another dialect', () => {
  it('goes up as deltas, its head with the first that says something, its end with the last', () => {
    const sink = events([STREAM]);
    assert.deepEqual(sink.calls, ['head', 'start', 'Hi', 'keep_alive', 'you', 'finish', 'usage.']);
    assert.deepEqual(sink.headers?.flat, ['x-ratelimit-limit-requests', '90', 'x-smg-dropped-params', 'seed']);
    assert.equal(sink.headers?.kind, 'deltas');
  });

  it('is the same however it is cut', () => {
    const whole = events([STREAM]).calls;
    for (let cut = 1; cut < STREAM.length; cut++) {
      assert.deepEqual(events([STREAM.slice(0, cut), STREAM.slice(cut)]).calls, whole);
    }
    assert.deepEqual(events([...STREAM], 'trailers').calls, whole);
  });

  it('is complete when it broke after its own end, and not before', () => {
    assert.equal(events([STREAM], 'break').calls.at(-1), 'usage.');
    const cut = events(['data: Hi\n\n'], 'break');
    assert.deepEqual(cut.calls, ['head', 'Hi', 'error upstream_reset']);
    assert.equal(events(['data: Hi\n\n']).error?.details, 'stream_truncated');
    assert.equal(events(['data: Hi\n\ndata: finish\n\n']).calls.at(-1), 'usage.');
    assert.equal(events(['data: Hi\n\ndata: finish\n\n'], 'break').calls.at(-1), 'error upstream_reset');
  });

  it('can still be retried when it begins with an error', () => {
    assert.deepEqual(events(['event: start\ndata: id\n\ndata: oops\n\ndata: end\n\n']).calls, ['error overloaded']);
    assert.deepEqual(events(['data: Hi\n\ndata: oops\n\n']).calls, ['head', 'Hi', 'error overloaded']);
    assert.equal(events(['event: start\ndata: id\n\n']).error?.details, 'stream_truncated');
  });

  it('may be one JSON object', () => {
    const sink = answer(200, 'application/json', ['{"words":["a",', '"b"]}']);
    assert.deepEqual(sink.calls, ['head', 'a', 'b', 'finish.']);
    assert.deepEqual(answer(200, 'application/json', ['{"words":']).calls, ['error upstream_protocol_error']);
    assert.deepEqual(answer(200, 'text/html', ['<html>']).calls, ['error upstream_protocol_error']);
  });

  it('is an error by its status, with what it says but for keys and accounts', () => {
    const message = 'Incorrect API key provided: sk-abc***wxyz (sk-1234567890) of organization org-9a. Bearer zzz';
    const { error } = answer(401, 'application/json', [message]);
    assert.equal(error?.upstreamStatus, 401);
    assert.equal(error?.code, 'invalid_api_key');
    assert.equal(error?.message, 'Incorrect API key provided: *** (***) of ***. ***');
  });
});
