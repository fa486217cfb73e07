import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BackendCall, type GatewayError, RequestHeaders, ResponseHeaders } from '../../../core/api/index.js';
import { AnthropicDialect } from './dialect.js';
import { anthropicSettingsSchema } from './settings.js';

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');

function dialectOf(settings: object = {}, warnings: object[] = []): AnthropicDialect {
  return new AnthropicDialect(
    anthropicSettingsSchema.parse(settings),
    { nowMs: () => NOW_MS },
    { warn: (fields) => warnings.push(fields) },
  );
}

function forwarded(flat: string[], settings: object = {}): string[] {
  const headers = new RequestHeaders('GET', '/v1/models', '', 'https', flat);
  dialectOf(settings).prepareNative(undefined, { headers } as BackendCall);
  return headers.flat;
}

describe('the head of what is forwarded to Anthropic', () => {
  it("names a version: the caller's, else the configured one", () => {
    assert.deepEqual(forwarded([]), ['anthropic-version', '2023-06-01']);
    assert.deepEqual(forwarded([], { version: '2024-01-01' }), ['anthropic-version', '2024-01-01']);
    assert.deepEqual(forwarded(['anthropic-version', '2025-01-01']), ['anthropic-version', '2025-01-01']);
  });

  it('joins the betas of caller and settings, each once, and nothing that is no name', () => {
    const flat = ['anthropic-beta', 'a-1, b-2', 'anthropic-version', 'v', 'anthropic-beta', 'b-2,c d,'];
    const expected = ['anthropic-beta', 'a-1,b-2,d-4', 'anthropic-version', 'v'];
    assert.deepEqual(forwarded(flat, { betas: ['d-4', 'a-1'] }), expected);
  });

  it('has one key, under the name that Anthropic reads', () => {
    const version = ['anthropic-version', '2023-06-01'];
    assert.deepEqual(forwarded(['authorization', 'bEARER  k1 ']), ['x-api-key', 'k1', ...version]);
    assert.deepEqual(forwarded(['authorization', 'Bearer k1', 'x-api-key', 'k2']), ['x-api-key', 'k2', ...version]);
    assert.deepEqual(forwarded(['authorization', 'Bearer sk-ant-oat01-x']), [
      'authorization',
      'Bearer sk-ant-oat01-x',
      ...version,
    ]);
    assert.deepEqual(forwarded(['x-api-key', 'k2']), ['x-api-key', 'k2', ...version]);
  });
});

describe('what Anthropic says in the head of an answer', () => {
  it('comes in the names that clients know, times as durations', () => {
    const dialect = dialectOf();
    const kept = (name: string, value: string): unknown => dialect.keepHeader(name, value);
    assert.deepEqual(kept('anthropic-ratelimit-requests-limit', '50'), ['x-ratelimit-limit-requests', '50']);
    assert.deepEqual(kept('anthropic-ratelimit-tokens-remaining', '0'), ['x-ratelimit-remaining-tokens', '0']);
    assert.deepEqual(kept('anthropic-ratelimit-tokens-reset', '2026-01-01T00:01:30.5Z'), [
      'x-ratelimit-reset-tokens',
      '91s',
    ]);
    assert.deepEqual(kept('anthropic-ratelimit-tokens-reset', '2025-01-01T00:00:00Z'), [
      'x-ratelimit-reset-tokens',
      '0s',
    ]);
    assert.equal(kept('anthropic-ratelimit-tokens-reset', 'soon'), undefined);
    assert.deepEqual(kept('request-id', 'req_1'), ['x-provider-request-id', 'req_1']);
    assert.equal(kept('set-cookie', 'a=b'), undefined);
    assert.equal(kept('anthropic-organization-id', 'o'), undefined);
  });
});

describe('a refusal that the settings could have avoided', () => {
  it('is logged once for each field', () => {
    const warnings: object[] = [];
    const dialect = dialectOf({}, warnings);
    const refuse = (status: number, message: string): GatewayError =>
      dialect.readError(
        status,
        new ResponseHeaders(status),
        JSON.stringify({ error: { type: 'invalid_request_error', message } }),
      );
    for (let i = 0; i < 2; i++) refuse(400, 'temperature: not supported by this model');
    refuse(400, 'thinking.type: adaptive is not supported');
    refuse(400, 'messages: at least one message is required');
    refuse(400, 'prompt is too long: thinking of it');
    assert.deepEqual(warnings, [{ field: 'temperature' }, { field: 'thinking' }]);
  });
});
