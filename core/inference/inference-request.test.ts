import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ClientApi } from '../api/client-api.js';
import { BugError, GatewayError } from '../api/errors.js';
import type { InferenceRequest } from '../api/inference.js';
import { type ReceivedRequest, readInferenceRequest } from './inference-request.js';
import { JsonScanner } from './json-scan.js';
import { multipartBoundary } from './multipart-request.js';

const scanner = new JsonScanner();

function api(overrides: Partial<ClientApi> = {}): ClientApi {
  return {
    type: 'chat',
    paths: ['/v1/chat/completions'],
    requestFormat: 'json',
    streams: true,
    terminator: 'done',
    errorDialect: 'openai',
    requestIdPrefix: 'chatcmpl-',
    requiresModel: true,
    ...overrides,
  };
}

function read(text: string, overrides: Partial<ClientApi> = {}): InferenceRequest {
  const request = readInferenceRequest(api(overrides), 'application/json', Buffer.from(text), scanner);
  assert.ok(!(request instanceof GatewayError), String(request));
  return request;
}

function refused(
  text: string | Buffer,
  overrides: Partial<ClientApi> = {},
  contentType = 'application/json',
): GatewayError {
  const error = readInferenceRequest(api(overrides), contentType, Buffer.from(text), scanner);
  assert.ok(error instanceof GatewayError);
  return error;
}

describe('JSON request', () => {
  it('gives the very buffer that was received while nothing changed', () => {
    const bytes = Buffer.from('{ "model" : "m", "temperature": 1.0e0, "x":[1,  2] }');
    const request = readInferenceRequest(api(), 'application/json', bytes, scanner);
    assert.ok(!(request instanceof GatewayError));
    assert.equal(request.bytes(), bytes);
    request.json();
    request.setModel('m');
    assert.equal(request.bytes(), bytes);
    assert.equal(request.fork().bytes(), bytes);
  });

  it('has detached copies, changed or not, that outlive the memory of the body', () => {
    for (const changed of [false, true]) {
      const bytes = Buffer.from('{"model":"m","x":[1]}');
      const request = readInferenceRequest(api(), 'application/json', bytes, scanner);
      assert.ok(!(request instanceof GatewayError));
      if (changed) request.setModel('n');
      const copy = request.detach();
      request.forgetReceived();
      bytes.fill(0);
      copy.setField('y', '2');
      assert.equal(copy.bytes().toString(), `{"model":"${changed ? 'n' : 'm'}","x":[1],"y":2}`);
      assert.deepEqual([copy.rawField('x'), copy.json().x], ['[1]', [1]]);
    }
  });

  it('removes a field with its comma and leaves the rest as it was', () => {
    const cases: [string, string[], string][] = [
      ['{ "model" : "m", "top_k": 1 , "n":2}', ['top_k'], '{ "model" : "m" , "n":2}'],
      ['{"rid":1, "model":"m"}', ['rid'], '{"model":"m"}'],
      ['{"rid":1,"rid":2,"model":"m","rid":3}', ['rid'], '{"model":"m"}'],
      ['{"model":"m"}', ['other'], '{"model":"m"}'],
      ['{"a":1,"model":"m","b":2}', ['a', 'b', 'model'], '{}'],
    ];
    for (const [text, names, left] of cases) {
      const request = read(text);
      for (const name of names) request.deleteField(name);
      assert.equal(request.bytes().toString(), left);
      for (const name of names) assert.equal(request.rawField(name), undefined);
      assert.deepEqual(request.json(), JSON.parse(left));
    }
  });

  it('removes, sets and adds in any mixture as an object would', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'é', '"');
    const change = fc.tuple(name, fc.option(fc.integer()));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.jsonValue())), fc.array(change), (fields, changes) => {
        const body = fields.map(([key, value]) => ` ${JSON.stringify(key)} : ${JSON.stringify(value)}`);
        const request = read(`{"model":"m"${body.map((field) => `,${field}`).join('')}}`);
        const model: Record<string, unknown> = JSON.parse(request.bytes().toString());
        for (const [key, value] of changes) {
          if (value === null) {
            request.deleteField(key);
            delete model[key];
          } else {
            request.setField(key, String(value));
            model[key] = value;
          }
        }
        assert.deepEqual(JSON.parse(request.bytes().toString()), model);
        assert.deepEqual({ ...request.json() }, model);
      }),
    );
  });

  it('reads the conversation once, through its api, and again after a change', () => {
    let reads = 0;
    const conversation = { turns: [], tools: [], sampling: {}, stop: [], choices: 1, stream: false, extra: {} };
    const request = read('{"model":"m","x":1}', {
      readConversation: (body) => ({ ...conversation, extra: { x: body.x, reads: ++reads } }),
    });
    assert.equal(request.conversation(), request.conversation());
    request.setField('x', '2');
    assert.deepEqual(request.conversation().extra, { x: 2, reads: 2 });
    assert.throws(() => read('{"model":"m"}').conversation(), { code: 'endpoint_not_supported' });
  });

  it('changes only the bytes of the field that is set', () => {
    const request = read('{ "model" : "m", "temperature": 1.0e0, "rid":null }');
    request.setModel('meta/llama "3"');
    assert.equal(request.bytes().toString(), '{ "model" : "meta/llama \\"3\\"", "temperature": 1.0e0, "rid":null }');
    request.setField('rid', '"r"');
    request.setField('new', '[1]');
    request.setField('é', '2');
    assert.equal(
      request.bytes().toString(),
      '{ "model" : "meta/llama \\"3\\"", "temperature": 1.0e0, "rid":"r" ,"new":[1],"é":2}',
    );
    assert.equal(request.model, 'meta/llama "3"');
    assert.equal(request.requestedModel, 'm');
    assert.equal(request.rawField('temperature'), '1.0e0');
    assert.equal(request.rawField('new'), '[1]');
    assert.equal(request.rawField('absent'), undefined);
    assert.deepEqual(request.json(), JSON.parse(request.bytes().toString()));
  });

  it('adds to an empty object', () => {
    const request = read('{ }', { requiresModel: false });
    request.setModel('m');
    assert.equal(request.bytes().toString(), '{ "model":"m"}');
  });

  it('keeps the changes of forks apart', () => {
    const request = read('{"model":"m"}');
    request.setField('a', '1');
    const fork = request.fork();
    fork.setField('b', '2');
    fork.setModel('other');
    assert.equal(request.bytes().toString(), '{"model":"m","a":1}');
    assert.equal(fork.bytes().toString(), '{"model":"other","a":1,"b":2}');
    assert.equal(request.model, 'm');
    assert.deepEqual(fork.json(), { model: 'other', a: 1, b: 2 });
  });

  it('stays valid under any changes', () => {
    const name = fc.oneof(fc.constantFrom('model', 'a', 'b', '__proto__'), fc.string());
    const json = fc.jsonValue({ maxDepth: 1 });
    fc.assert(
      fc.property(fc.dictionary(name, json), fc.array(fc.tuple(name, json), { maxLength: 5 }), (object, changes) => {
        const body = Object.assign(Object.create(null), object, { model: 'm' });
        const request = read(JSON.stringify(body, null, 1));
        for (const [field, value] of changes) request.setField(field, JSON.stringify(value));
        const sent = JSON.parse(request.bytes().toString());
        assert.deepEqual(request.json(), sent);
        for (const [field] of changes) assert.deepEqual(JSON.parse(request.rawField(field) ?? ''), sent[field]);
        for (const field of Object.keys(object)) {
          if (field !== 'model' && !changes.some(([changed]) => changed === field)) {
            assert.deepEqual(sent[field], JSON.parse(JSON.stringify(object))[field]);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('reads stream; null means no', () => {
    assert.equal(read('{"model":"m","stream":true}').stream, true);
    assert.equal(read('{"model":"m","stream":null}').stream, false);
    assert.equal(read('{"model":"m"}').stream, false);
  });

  it('names what is wrong', () => {
    const cases: readonly (readonly [string, string, string | undefined, RegExp])[] = [
      ['{"model":"m"', 'invalid_json', undefined, /ends too early at byte 12$/],
      ['', 'invalid_json', undefined, /the body is empty$/],
      ['{"model":"m"} {}', 'invalid_json', undefined, /text after the end of the object at byte 14$/],
      ['{"model":1}', 'invalid_type', 'model', /expected a string, but got a number/],
      ['{"model":["m"]}', 'invalid_type', 'model', /an array/],
      ['{"model":"m","stream":"true"}', 'invalid_type', 'stream', /expected a boolean, but got a string/],
      ['{"model":"m","stream":1}', 'invalid_type', 'stream', /a number/],
      ['{"messages":[]}', 'missing_required_parameter', 'model', /'model'/],
      ['{"model":null}', 'missing_required_parameter', 'model', /'model'/],
    ];
    for (const [text, code, param, message] of cases) {
      const error = refused(text);
      assert.equal(error.code, code, text);
      assert.equal(error.status, 400);
      assert.equal(error.param, param);
      assert.match(error.message, message);
    }
  });
});

const BOUNDARY = 'x-Y_z';
const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
const AUDIO = Buffer.from([0, 0xff, 0x0d, 0x0a, 0x2d, 0x2d, 0x0d, 0x0a, 0x0d, 0x0a, 1]);

function form(parts: readonly (readonly [string, string | Buffer])[], close = `--${BOUNDARY}--\r\n`): Buffer {
  const pieces = parts.flatMap(([disposition, content]) => [
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\nX-Other: 1\r\n\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from(close)]);
}

function readForm(bytes: Buffer, contentType = FORM_TYPE): ReceivedRequest | GatewayError {
  return readInferenceRequest(
    api({ type: 'audio_transcriptions', requestFormat: 'multipart' }),
    contentType,
    bytes,
    scanner,
  );
}

describe('multipart request', () => {
  const parts = [
    ['name="file"; filename="a; name=\\"model\\".wav"', AUDIO],
    ['name=model', ' whisper-1 '],
    ['NAME="stream"', 'True'],
    ['name="prompt"', ''],
  ] as const;

  it('reads model and stream, wherever they stand', () => {
    const bytes = form(parts);
    const request = readForm(bytes);
    assert.ok(!(request instanceof GatewayError), String(request));
    assert.equal(request.model, 'whisper-1');
    assert.equal(request.stream, true);
    assert.equal(request.bytes(), bytes);
    assert.equal(request.rawField('model'), '"whisper-1"');
    assert.throws(() => request.json(), BugError);
  });

  it('replaces the content of the model part only', () => {
    const request = readForm(form(parts));
    assert.ok(!(request instanceof GatewayError));
    const fork = request.fork();
    fork.setModel('openai/whisper-large-v3');
    fork.setModel('w');
    const expected = form(parts.map(([name, content]) => (name === 'name=model' ? [name, 'w'] : [name, content])));
    assert.deepEqual(fork.bytes(), expected);
    assert.equal(request.bytes().equals(form(parts)), true);
  });

  it('has detached copies that outlive the memory of the form', () => {
    const bytes = form(parts);
    const request = readForm(bytes);
    assert.ok(!(request instanceof GatewayError));
    const copy = request.detach();
    request.forgetReceived();
    bytes.fill(0);
    assert.deepEqual(copy.bytes(), form(parts));
    copy.setModel('w');
    assert.deepEqual(copy.bytes(), form(parts.map(([name, content]) => [name, name === 'name=model' ? 'w' : content])));
  });

  it('takes a quoted boundary and a preamble', () => {
    const bytes = Buffer.concat([Buffer.from('preamble\r\n'), form(parts)]);
    const request = readForm(bytes, `multipart/form-data; charset=utf-8; boundary="${BOUNDARY}"`);
    assert.ok(!(request instanceof GatewayError));
    assert.equal(request.model, 'whisper-1');
    assert.equal(multipartBoundary('multipart/form-data'), undefined);
    assert.equal(multipartBoundary('multipart/form-data; x="; boundary=no"; boundary=yes'), 'yes');
  });

  it('refuses what is broken, and every cut', () => {
    const bytes = form(parts);
    for (let cut = 0; cut < bytes.length - 4; cut++) {
      const error = readForm(bytes.subarray(0, cut));
      assert.ok(error instanceof GatewayError, `${cut}`);
      assert.equal(error.status, 400);
    }
    const noBoundary = readForm(bytes, 'multipart/form-data');
    assert.ok(noBoundary instanceof GatewayError && /boundary/.test(noBoundary.message));
    const noModel = readForm(form([['name="file"', AUDIO]]));
    assert.ok(noModel instanceof GatewayError && noModel.param === 'model');
    const badStream = readForm(form([...parts, ['name="stream"', 'yes']]));
    assert.ok(badStream instanceof GatewayError && badStream.param === 'stream');
    const badModel = readForm(form([['name="model"', Buffer.from([0xff])]]));
    assert.ok(badModel instanceof GatewayError && badModel.param === 'model');
  });
});

describe('received bytes', () => {
  it('cannot be read once they are forgotten, in forks neither; changed copies stay', () => {
    for (const contentType of ['application/json', 'multipart/form-data; boundary=b']) {
      const json = contentType === 'application/json';
      const form = '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--b--\r\n';
      const bytes = Buffer.from(json ? '{"model":"m"}' : form);
      const format = json ? 'json' : 'multipart';
      const request = readInferenceRequest(api({ requestFormat: format }), contentType, bytes, scanner);
      assert.ok(!(request instanceof GatewayError));
      const fork = request.fork();
      const changed = request.fork();
      changed.setModel('other');
      const sent = changed.bytes();
      assert.equal(request.bytes(), bytes);
      request.forgetReceived();
      assert.throws(() => request.bytes(), BugError);
      assert.throws(() => fork.bytes(), BugError);
      if (json) assert.throws(() => fork.rawField('model'), BugError);
      if (json) assert.throws(() => fork.json(), BugError);
      assert.equal(changed.bytes(), sent);
      assert.match(String(sent), /other/);
      assert.equal(request.model, 'm');
    }
  });
});
