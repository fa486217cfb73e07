import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { redactErrorBody, redactMessage } from './redact-message.js';

const redacted = (text: string): string => redactErrorBody(Buffer.from(text)).toString();

describe('errors of providers', () => {
  it('lose keys and whose account it is', () => {
    assert.equal(
      redactMessage(
        'Rate limit reached for gpt-4o in organization org-Ab12 on requests; project proj_Xy9; key sk-abcdefgh12',
      ),
      'Rate limit reached for gpt-4o in *** on requests; ***; key ***',
    );
  });

  it('keep every other byte', () => {
    const body = Buffer.from('{ "error" : {"message":"é \\u00e9 no ☃","code":null} }\n');
    assert.equal(redactErrorBody(body), body);
    assert.equal(redacted('{"error":{"message":"☃ sk-abcdefgh12"}}'), '{"error":{"message":"☃ ***"}}');
  });

  it('do not repeat the address of an image', () => {
    const error = {
      message: 'é: could not fetch http://10.0.0.1/x: secret',
      type: 'invalid_request_error',
      param: 'url',
    };
    assert.deepEqual(JSON.parse(redacted(JSON.stringify({ error: { ...error, code: 'invalid_image_url' } }))), {
      error: { ...error, message: 'Invalid Image URL', code: 'invalid_image_url' },
    });
    for (const other of [
      '{"error":{"code":"x","message":"invalid_image_url"}}',
      'invalid_image_url',
      '{"error":null,"a":"invalid_image_url"}',
    ]) {
      assert.equal(redacted(other), other);
    }
  });
});
