import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { type FilterFactoryCb, GatewayError, RequestHeaders, ResponseHeaders } from '../../core/api/index.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { chatRequestHeaders, createFilterHarness, type FilterHarness } from '../../core/testing/filter-harness.js';
import { configSchema } from './config.js';
import factory from './factory.js';

const APP = 'https://app.example.com';

function create(config: unknown): FilterFactoryCb | undefined {
  const settings = configSchema.parse(config);
  return factory.create(settings, { onDispose() {} }, new StatsStore()) as FilterFactoryCb | undefined;
}

function harnessFor(config: unknown): FilterHarness {
  return createFilterHarness([{ name: 'cors', factory: create(config) as FilterFactoryCb }]);
}

/** Headers of a preflight's answer. */
function preflight(config: unknown, origin: string, ...sent: string[]): ResponseHeaders {
  const harness = harnessFor(config);
  const flat = ['origin', origin, 'access-control-request-method', 'POST', ...sent];
  harness.sendHeaders(new RequestHeaders('OPTIONS', '/v1/chat/completions', 'h', 'http', flat), true);
  assert.equal(harness.terminals[0]?.headers, undefined, 'a preflight stops here');
  assert.equal(harness.response.headers?.status, 204);
  assert.equal(harness.response.ends, 1);
  assert.deepEqual(harness.exceptions, []);
  return harness.response.headers;
}

/** Headers of an ordinary answer. */
function answer(config: unknown, origin: string | undefined, ...workerHeaders: string[]): ResponseHeaders {
  const harness = harnessFor(config);
  harness.sendHeaders(chatRequestHeaders(...(origin === undefined ? [] : ['origin', origin])), true);
  harness.terminal.callbacks.encodeHeaders(new ResponseHeaders(200, workerHeaders), true);
  return harness.response.headers as ResponseHeaders;
}

describe('cors: preflight', () => {
  it('is answered with methods, headers and age for an allowed origin', () => {
    const headers = preflight(
      { allow_origins: [APP] },
      APP,
      'access-control-request-headers',
      'Content-Type, Authorization,x-stainless-os, x-evil',
    );
    assert.equal(headers.get('access-control-allow-origin'), APP);
    assert.equal(headers.get('access-control-allow-methods'), 'GET, POST, PUT, PATCH, DELETE, OPTIONS');
    assert.equal(headers.get('access-control-allow-headers'), 'content-type, authorization, x-stainless-os');
    assert.equal(headers.get('access-control-max-age'), '3600');
    assert.equal(headers.get('access-control-allow-credentials'), undefined);
    assert.match(headers.get('vary') ?? '', /^Origin,/);
  });

  it('says nothing to an origin that is not allowed', () => {
    for (const origin of ['https://evil.example.com', `${APP}.evil.com`, 'https://APP.example.com', 'null']) {
      assert.deepEqual(preflight({ allow_origins: [APP] }, origin).flat, [
        'vary',
        'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
      ]);
    }
  });

  it('allows any header with `*` as origin, and never echoes what is no header name', () => {
    const headers = preflight(
      { allow_origins: ['*'] },
      'https://anywhere.example',
      'access-control-request-headers',
      'x-any, b@d, x-b',
    );
    assert.equal(headers.get('access-control-allow-origin'), '*');
    assert.equal(headers.get('access-control-allow-headers'), 'x-any, x-b');
  });

  it('lists the configured headers when the browser asks for none', () => {
    const headers = preflight(
      { allow_origins: [APP], allow_headers: ['X-One', 'x-two-*'], allow_credentials: true },
      APP,
    );
    assert.equal(headers.get('access-control-allow-headers'), 'x-one');
    assert.equal(headers.get('access-control-allow-credentials'), 'true');
  });

  it('is not confused with other OPTIONS requests', () => {
    for (const flat of [
      ['origin', APP],
      ['access-control-request-method', 'POST'],
    ]) {
      const harness = harnessFor({ allow_origins: [APP] });
      harness.sendHeaders(new RequestHeaders('OPTIONS', '/x', 'h', 'http', flat), true);
      assert.equal(harness.terminal.headers?.method, 'OPTIONS');
    }
  });
});

describe('cors: answers', () => {
  it('carry the origin and the exposed headers', () => {
    const headers = answer({ allow_origins: [APP] }, APP);
    assert.equal(headers.get('access-control-allow-origin'), APP);
    assert.match(headers.get('access-control-expose-headers') ?? '', /x-request-id, x-smg-error-code.*retry-after/);
    assert.equal(headers.get('vary'), 'Origin');
  });

  it('vary by origin, without repeating it, and carry nothing else for others', () => {
    for (const origin of [undefined, 'https://evil.example.com']) {
      assert.deepEqual(answer({ allow_origins: [APP] }, origin).flat, ['vary', 'Origin']);
    }
    assert.deepEqual(answer({ allow_origins: [APP] }, undefined, 'vary', 'accept, origin').getAll('vary'), [
      'accept, origin',
    ]);
    assert.deepEqual(answer({ allow_origins: [APP] }, undefined, 'vary', 'x-original').getAll('vary'), [
      'x-original',
      'Origin',
    ]);
  });

  it('replace the rules of a worker', () => {
    const foreign = [
      'access-control-allow-origin',
      '*',
      'access-control-allow-credentials',
      'true',
      'server',
      'uvicorn',
    ];
    const headers = answer({ allow_origins: [APP] }, APP, ...foreign);
    assert.deepEqual(headers.getAll('access-control-allow-origin'), [APP]);
    assert.equal(headers.get('access-control-allow-credentials'), undefined);
    assert.equal(headers.get('server'), 'uvicorn');
  });

  it('include local replies', () => {
    const harness = harnessFor({ allow_origins: [APP] });
    harness.sendHeaders(chatRequestHeaders('origin', APP), true);
    harness.terminal.callbacks.sendLocalReply(new GatewayError('invalid_api_key', 'no'));
    assert.equal(harness.response.headers?.get('access-control-allow-origin'), APP);
  });
});

describe('cors: config', () => {
  it('is left out without origins', () => {
    assert.equal(create({}), undefined);
  });

  it('refuses what is not exactly an origin and says what to write', () => {
    const hint = (origin: string) => configSchema.safeParse({ allow_origins: [origin] }).error?.issues[0]?.message;
    assert.match(hint('https://app.example.com/') ?? '', /write https:\/\/app\.example\.com$/);
    assert.match(hint('https://APP.example.com') ?? '', /write https:\/\/app\.example\.com$/);
    assert.match(hint('https://app.example.com:443') ?? '', /write https:\/\/app\.example\.com$/);
    assert.match(hint('app.example.com') ?? '', /not an origin like/);
    assert.match(hint('') ?? '', /not an origin like/);
    for (const fine of [APP, 'http://localhost:5173', 'http://[::1]:8080', 'chrome-extension://abcdef', '*']) {
      assert.equal(hint(fine), undefined, fine);
    }
  });

  it('refuses `*` among others or with credentials', () => {
    for (const config of [
      { allow_origins: ['*', APP] },
      { allow_origins: ['*'], allow_credentials: true },
      { allow_origins: [APP], allow_methods: [] },
      { allow_origin: [APP] },
    ]) {
      assert.equal(configSchema.safeParse(config).success, false, JSON.stringify(config));
    }
  });
});

it('the example of the README is valid', () => {
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const entry = parse(/```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? '').filters[0];
  assert.equal(entry.type, 'cors');
  assert.equal(configSchema.parse(entry.config).allow_origins.length, 2);
});
