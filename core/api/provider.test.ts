import assert from 'node:assert/strict';
import { test } from 'node:test';
import { providerAuthHeaders, providerOfHost, providerOfModel, providerOfUrl } from './provider.js';

test('a host belongs to a provider at a dot only', () => {
  for (const [host, expected] of [
    ['api.openai.com', 'openai'],
    ['openai.com', 'openai'],
    ['API.OpenAI.com.', 'openai'],
    ['evilopenai.com', undefined],
    ['api.openai.com.evil.net', undefined],
    ['api.x.ai', 'xai'],
    ['max.ai', undefined],
    ['api.anthropic.com', 'anthropic'],
    ['generativelanguage.googleapis.com', 'gemini'],
    ['10.0.0.1', undefined],
  ] as const) {
    assert.equal(providerOfHost(host), expected, host);
  }
  assert.equal(providerOfUrl('https://api.x.ai/v1'), 'xai');
  assert.equal(providerOfUrl('https://proxy.example/api.openai.com'), undefined);
  assert.equal(providerOfUrl('not a url'), undefined);
});

test('a model by the beginning of its name', () => {
  for (const [model, expected] of [
    ['gpt-4o', 'openai'],
    ['o3-mini', 'openai'],
    ['Grok-4', 'xai'],
    ['claude-sonnet-4', 'anthropic'],
    ['gemini-2.5-pro', 'gemini'],
    ['llama-3', undefined],
  ] as const) {
    assert.equal(providerOfModel(model), expected, model);
  }
});

test('each provider takes keys its own way', () => {
  assert.deepEqual(providerAuthHeaders('anthropic', 'k'), { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' });
  assert.deepEqual(providerAuthHeaders('gemini', 'k'), { 'x-goog-api-key': 'k' });
  assert.deepEqual(providerAuthHeaders('xai', 'k'), { authorization: 'Bearer k' });
  assert.deepEqual(providerAuthHeaders(undefined, 'k'), { authorization: 'Bearer k' });
});
