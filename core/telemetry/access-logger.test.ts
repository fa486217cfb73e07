import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ClientApi } from '../api/client-api.js';
import type { Clock } from '../api/clock.js';
import type { InferenceRequest } from '../api/inference.js';
import { type Attempt, StreamInfo } from '../api/stream-info.js';
import type { Worker } from '../api/worker.js';
import { AccessLogger } from './access-logger.js';
import type { LogFormat } from './log.js';

const clock = { nowMs: () => Date.UTC(2026, 0, 15, 10, 30, 45, 7) } as Clock;

function write(info: StreamInfo, format: LogFormat = 'json', minimum = 'info'): string[] {
  const lines: string[] = [];
  const sink = { write: () => assert.fail('not ASCII'), writeAscii: (line: string) => void lines.push(line) };
  const enabled = (level: string) => minimum === 'info' || level === minimum;
  new AccessLogger(sink, format, clock, enabled).write(info);
  return lines;
}

function finished(path = '/v1/chat/completions?key=MARKED'): StreamInfo {
  const info = new StreamInfo('HTTP/1.1', '10.1.2.3', 'main', 'POST', path, 1000);
  info.requestId = 'chatcmpl-1';
  info.endpoint = '/v1/chat/completions';
  info.api = { type: 'chat' } as ClientApi;
  info.inference = { stream: true, requestedModel: 'llama', model: 'llama-3.1-8b' } as InferenceRequest;
  info.principal = { tenant: 'team-red' };
  info.status = 200;
  info.responseDetails = 'complete';
  info.complete = true;
  info.requestBytes = 512;
  info.responseBytes = 4096;
  info.firstByteMs = 1100.126;
  info.endedMs = 2000.5;
  info.usage = { promptTokens: 912, cachedTokens: 640, completionTokens: 342 };
  info.attempts.push(attempt('w1', 502, 'upstream_reset', 1001, 1002.5), attempt('w2', 200, undefined, 1003, 0));
  return info;
}

function attempt(id: string, status: number, error: string | undefined, startedMs: number, endedMs: number): Attempt {
  const worker = { id, cluster: 'llama', url: 'http://MARKED:8000', apiKey: 'MARKED' } as Worker;
  return { worker, status, error, startedMs, endedMs };
}

describe('AccessLogger', () => {
  it('writes one JSON line with everything that is known', () => {
    const [line, more] = write(finished());
    assert.equal(more, undefined);
    assert.deepEqual(JSON.parse(line as string), {
      level: 'info',
      time: '2026-01-15T10:30:45.007Z',
      msg: 'request',
      request_id: 'chatcmpl-1',
      client: '10.1.2.3',
      listener: 'main',
      protocol: 'HTTP/1.1',
      method: 'POST',
      path: '/v1/chat/completions',
      endpoint: '/v1/chat/completions',
      status: 200,
      details: 'complete',
      complete: true,
      tenant: 'team-red',
      api: 'chat',
      stream: true,
      model_requested: 'llama',
      model: 'llama-3.1-8b',
      cluster: 'llama',
      worker: 'w2',
      attempts: [
        { worker: 'w1', status: 502, error: 'upstream_reset', ms: 1.5 },
        { worker: 'w2', status: 200 },
      ],
      bytes_in: 512,
      bytes_out: 4096,
      duration_ms: 1000.5,
      ttfb_ms: 100.13,
      upstream_ms: 997.5,
      input_tokens: 912,
      cached_tokens: 640,
      output_tokens: 342,
    });
  });

  it('writes the same as text', () => {
    assert.equal(
      write(finished(), 'text')[0],
      '2026-01-15T10:30:45.007Z INFO  request request_id=chatcmpl-1 client=10.1.2.3 listener=main protocol=HTTP/1.1 ' +
        'method=POST path=/v1/chat/completions endpoint=/v1/chat/completions status=200 details=complete complete=true ' +
        'tenant=team-red api=chat stream=true model_requested=llama model=llama-3.1-8b cluster=llama worker=w2 ' +
        'attempts=w1:upstream_reset,w2:200 bytes_in=512 bytes_out=4096 duration_ms=1000.5 ttfb_ms=100.13 ' +
        'upstream_ms=997.5 input_tokens=912 cached_tokens=640 output_tokens=342\n',
    );
  });

  it('names the cluster of attempts that were made in another one than the last', () => {
    const info = finished();
    const elsewhere = { id: 'w0', cluster: 'cloud' } as Worker;
    info.attempts.unshift({ worker: elsewhere, status: 429, error: undefined, startedMs: 1, endedMs: 2 });
    assert.deepEqual(JSON.parse(write(info)[0] as string).attempts[0], {
      worker: 'w0',
      cluster: 'cloud',
      status: 429,
      ms: 1,
    });
    assert.match(write(info, 'text')[0] as string, / attempts=w0@cloud:429,w1:upstream_reset,w2:200 /);
  });

  it('leaves out what did not happen, and has no query string, worker URL or key', () => {
    const info = new StreamInfo('HTTP/2', '::1', 'main', 'GET', '/nope?token=MARKED', 5);
    info.status = 404;
    info.endedMs = 6;
    const line = write(info)[0] as string;
    assert.deepEqual(Object.keys(JSON.parse(line)).slice(-4), ['complete', 'bytes_in', 'bytes_out', 'duration_ms']);
    assert.doesNotMatch(line, /MARKED/);
    assert.doesNotMatch(write(finished())[0] as string, /MARKED/);
  });

  it('does not mix up what consecutive requests asked for', () => {
    const lines: string[] = [];
    const sink = { write: () => assert.fail('not ASCII'), writeAscii: (line: string) => void lines.push(line) };
    const logger = new AccessLogger(sink, 'json', clock, () => true);
    const sent = [
      ['HTTP/1.1', 'POST', '/a?x=1', '/a'],
      ['HTTP/1.1', 'POST', '/a?x=1', '/a'],
      ['HTTP/2', 'POST', '/a?x=1', '/a'],
      ['HTTP/2', 'GET', '/a?x=1', '/a'],
      ['HTTP/2', 'GET', '/b', '/a'],
      ['HTTP/2', 'GET', '/b', '/*'],
      ['HTTP/1.1', 'POST', '/a', '/a'],
    ] as const;
    for (const [protocol, method, path, endpoint] of sent) {
      const info = new StreamInfo(protocol, '::1', 'main', method, path, 1);
      info.endpoint = endpoint;
      logger.write(info);
    }
    const seen = lines.map((line) => JSON.parse(line));
    assert.deepEqual(
      seen.map(({ protocol, method, path, endpoint }) => [protocol, method, path, endpoint]),
      sent.map(([protocol, method, path, endpoint]) => [protocol, method, path.split('?')[0], endpoint]),
    );
  });

  it('calls an answer with 5xx an error, and is quiet when the log is', () => {
    const info = finished();
    assert.equal(write(info, 'json', 'error').length, 0);
    info.status = 503;
    assert.equal(JSON.parse(write(info, 'json', 'error')[0] as string).level, 'error');
  });

  it('bounds and escapes client text so that a line stays one line of ASCII', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 400 }),
        fc.string({ unit: 'grapheme', maxLength: 200 }),
        fc.string({ maxLength: 200 }),
        (path, model, id) => {
          const info = finished(`/${path}`);
          info.requestId = id;
          info.inference = { stream: false, requestedModel: model, model } as InferenceRequest;
          for (const format of ['json', 'text'] as const) {
            const line = write(info, format)[0] as string;
            assert.match(line, /^[ -~]+\n$/);
            assert.ok(line.length < 6000);
          }
          const parsed = JSON.parse(write(info)[0] as string);
          if (model.length <= 128) assert.equal(parsed.model, model);
          if (id.length <= 128) assert.equal(parsed.request_id, id);
        },
      ),
      { numRuns: 300 },
    );
  });
});
