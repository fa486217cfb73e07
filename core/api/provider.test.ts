import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  canonicalProvider,
  providerAuthHeaders,
  providerOfHost,
  providerOfKey,
  providerOfModel,
  providerOfUrl,
  providerRoot,
  unbuiltProvider,
} from './provider.js';

test('a host belongs to a provider at a dot only', () => {
  for (const [host, expected] of [
    ['api.openai.com', 'openai'],
    ['openai.com', 'openai'],
    ['API.OpenAI.com.', 'openai'],
    ['evilopenai.com', undefined],
    ['notopenai.com', undefined],
    ['api.openai.com.evil.net', undefined],
    ['api.x.ai', 'xai'],
    ['max.ai', undefined],
    ['api.anthropic.com', 'anthropic'],
    ['generativelanguage.googleapis.com', 'gemini'],
    ['storage.googleapis.com', undefined],
    ['us-east5-aiplatform.googleapis.com', undefined],
    ['acme.openai.azure.com', 'azure'],
    ['acme.services.ai.azure.com', 'azure'],
    ['10.0.0.1', undefined],
  ] as const) {
    assert.equal(providerOfHost(host), expected, host);
  }
  assert.equal(providerOfUrl('https://api.x.ai/v1'), 'xai');
  assert.equal(providerOfUrl('https://proxy.example/anthropic-mirror'), undefined);
  assert.equal(providerOfUrl('not a url'), undefined);
});

test('a model by its name, where the name can only be one vendor’s', () => {
  for (const [model, expected] of [
    ['gpt-4o', 'openai'],
    ['chatgpt-4o-latest', 'openai'],
    ['o3', 'openai'],
    ['o4-mini', 'openai'],
    ['o1x', undefined],
    ['codex-mini', 'openai'],
    ['text-embedding-3-small', 'openai'],
    ['gpt-oss-120b', undefined],
    ['Grok-4', 'xai'],
    ['claude-sonnet-4', 'anthropic'],
    ['us.anthropic.claude-opus-4-v1:0', 'anthropic'],
    ['publishers/anthropic/models/x', 'anthropic'],
    ['gemini-2.5-pro', 'gemini'],
    ['models/gemini-2.5-pro', 'gemini'],
    ['gemma-3-27b', undefined],
    ['llama-3', undefined],
  ] as const) {
    assert.equal(providerOfModel(model), expected, model);
  }
});

test('names have one spelling', () => {
  assert.equal(canonicalProvider(' Claude'), 'anthropic');
  assert.equal(canonicalProvider('google'), 'gemini');
  assert.equal(canonicalProvider('grok'), 'xai');
  assert.equal(canonicalProvider('Groq'), 'groq');
  assert.equal(canonicalProvider('constructor'), 'constructor');
});

test('a key by its shape, where only one provider has such', () => {
  assert.equal(providerOfKey('sk-ant-api03-x'), 'anthropic');
  assert.equal(providerOfKey('AIzaSy'), 'gemini');
  assert.equal(providerOfKey('xai-1'), 'xai');
  assert.equal(providerOfKey('sk-proj-1'), undefined);
  assert.equal(providerOfKey('sk-1'), undefined);
});

test('each provider takes a key in its own header', () => {
  assert.deepEqual(providerAuthHeaders('anthropic', 'k'), { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' });
  assert.deepEqual(providerAuthHeaders('gemini', 'k'), { 'x-goog-api-key': 'k' });
  assert.deepEqual(providerAuthHeaders('azure', 'k'), { 'api-key': 'k' });
  assert.deepEqual(providerAuthHeaders('xai', 'k'), { authorization: 'Bearer k' });
  assert.deepEqual(providerAuthHeaders('toString', 'k'), { authorization: 'Bearer k' });
  assert.deepEqual(providerAuthHeaders(undefined, 'k'), { authorization: 'Bearer k' });
});

test('a base URL may end with the version that its vendor prints', () => {
  for (const [provider, url, root] of [
    ['openai', 'https://h/v1', 'https://h'],
    ['groq', 'https://api.groq.com/openai/v1', 'https://api.groq.com/openai'],
    [undefined, 'http://h:1/base', 'http://h:1/base'],
    ['gemini', 'https://h/v1beta/openai', 'https://h'],
    ['gemini', 'https://h/v1beta', 'https://h'],
    ['azure', 'https://h/openai/v1', 'https://h'],
    ['anthropic', 'https://h/proxy/v1', 'https://h/proxy'],
  ] as const) {
    assert.equal(providerRoot(provider, url), root, url);
  }
});

test('providers that want more than a key are known, with what they want', () => {
  for (const [name, url, expected] of [
    ['bedrock', 'https://h', 'bedrock'],
    [undefined, 'https://bedrock-runtime.us-east-1.amazonaws.com', 'bedrock'],
    [undefined, 'https://bedrock-mantle.us-east-1.api.aws/v1', 'bedrock'],
    [undefined, 'https://us-central1-aiplatform.googleapis.com', 'vertex'],
    [undefined, 'https://inference.generativeai.eu-frankfurt-1.oci.oraclecloud.com', 'oci'],
    // Stated otherwise: a proxy that signs.
    ['openai', 'https://bedrock-runtime.us-east-1.amazonaws.com', undefined],
    [undefined, 'https://api.openai.com', undefined],
  ] as const) {
    assert.equal(unbuiltProvider(name, url)?.name, expected, url);
  }
});
