import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type ClientApi, GatewayError, ResponseHeaders } from '../../core/api/index.js';
import type { WorkerDialect } from '../../plugins/backend/translate/worker-dialect.js';
import { CLIENT_APIS, WORKER_DIALECTS } from './dialects.js';
import { callOf, type GoldenCase, playAnswer, readCase } from './golden-run.js';

const CASES = join(import.meta.dirname, 'cases');

for (const folder of readdirSync(CASES).sort()) {
  if (folder.startsWith(".")) continue;
  const [client = '', worker = ''] = folder.split('-to-');
  describe(`golden: ${client} to ${worker}`, () => {
    for (const file of readdirSync(join(CASES, folder)).sort()) {
      if (!file.endsWith('.json')) continue;
      const golden = JSON.parse(readFileSync(join(CASES, folder, file), 'utf8')) as GoldenCase;
      it(`${file.replace('.json', '')}: ${golden.about}`, () => {
        const api = CLIENT_APIS[client];
        const create = WORKER_DIALECTS[worker];
        assert.ok(api !== undefined && create !== undefined, `no client api '${client}' or dialect '${worker}'`);
        check(golden, api, () => {
          let ids = 0;
          return create(golden.settings ?? {}, () => `id${++ids}`);
        });
      });
    }
  });
}

function check(golden: GoldenCase, api: ClientApi, createDialect: () => WorkerDialect): void {
  let checks = 0;
  if (golden.worker_request !== undefined || golden.refused !== undefined) {
    checks++;
    checkRequest(golden, api, createDialect());
  }
  if (golden.worker_answer !== undefined) {
    checks++;
    const body = [Buffer.from(JSON.stringify(golden.worker_answer))];
    const { text, error } = play(golden, api, createDialect(), 'application/json', body);
    if (golden.client_error !== undefined) checkError(golden, error);
    else {
      assert.ifError(error);
      assert.deepEqual(JSON.parse(text), golden.client_answer);
    }
  }
  if (golden.worker_stream !== undefined) {
    checks++;
    checkStream(golden, api, createDialect);
  }
  if (golden.worker_error !== undefined) {
    checks++;
    const { status, headers, body } = golden.worker_error;
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const head = new ResponseHeaders(status, Object.entries(headers ?? {}).flat());
    checkError(golden, createDialect().readError(status, head, text));
  }
  assert.ok(checks > 0, 'the case checks nothing');
}

function checkRequest(golden: GoldenCase, api: ClientApi, dialect: WorkerDialect): void {
  const encode = () => {
    const call = callOf(golden, api, readCase(golden, api));
    return dialect.encode((call.request as NonNullable<typeof call.request>).conversation(), call);
  };
  if (golden.refused !== undefined) {
    const { code, param, message } = golden.refused;
    assert.throws(encode, (error) => {
      assert.ok(GatewayError.is(error), String(error));
      assert.equal(error.code, code);
      if (param !== undefined) assert.equal(error.param, param);
      if (message !== undefined) assert.equal(error.message, message);
      return true;
    });
    return;
  }
  const encoded = encode();
  // As it goes over the wire: without what is undefined.
  assert.deepEqual(JSON.parse(JSON.stringify(encoded.body)), golden.worker_request);
  if (golden.worker_path !== undefined) assert.equal(encoded.path, golden.worker_path);
  for (const [name, value] of Object.entries(golden.worker_headers ?? {})) {
    assert.equal(encoded.headers?.[name], value, name);
  }
  assert.deepEqual([...encoded.dropped].sort(), [...(golden.dropped ?? [])].sort());
}

function checkStream(golden: GoldenCase, api: ClientApi, createDialect: () => WorkerDialect): void {
  const bytes = Buffer.from(framesText(golden.worker_stream as readonly unknown[]));
  const whole = play(golden, api, createDialect(), 'text/event-stream', [bytes]);
  assert.equal(whole.error?.code, golden.stream_error);
  if (golden.client_stream !== undefined) assert.deepEqual(frames(whole.text), golden.client_stream);
  for (let cut = 1; cut < bytes.length; cut++) {
    const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)];
    const cutUp = play(golden, api, createDialect(), 'text/event-stream', pieces);
    assert.equal(cutUp.text, whole.text, `cut at byte ${cut}`);
    assert.equal(cutUp.error?.code, whole.error?.code, `cut at byte ${cut}`);
  }
}

function play(golden: GoldenCase, api: ClientApi, dialect: WorkerDialect, type: string, pieces: readonly Buffer[]) {
  const call = callOf(golden, api, readCase(golden, api));
  return playAnswer(call, api, dialect, new ResponseHeaders(200, ['content-type', type]), pieces);
}

function checkError(golden: GoldenCase, error: GatewayError | undefined): void {
  assert.ok(error !== undefined, 'no error');
  const shown = error as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries(golden.client_error ?? {})) assert.deepEqual(shown[name], value, name);
}

/** A frame is text as it is, or `{ event?, data }` with data that is JSON. */
function framesText(list: readonly unknown[]): string {
  return list
    .map((frame) => {
      if (typeof frame === 'string') return `${frame}\n\n`;
      const { event, data } = frame as { event?: string; data: unknown };
      return `${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;
    })
    .join('');
}

/** The inverse: frames whose data is a JSON object become `{ event?, data }`, others stay text. */
function frames(text: string): unknown[] {
  return text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => {
      const lines = frame.split('\n');
      const event = lines.find((line) => line.startsWith('event: '))?.slice('event: '.length);
      const data = lines.find((line) => line.startsWith('data: '))?.slice('data: '.length);
      if (data === undefined || !data.startsWith('{')) return frame;
      return event === undefined ? { data: JSON.parse(data) } : { event, data: JSON.parse(data) };
    });
}
