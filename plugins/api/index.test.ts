import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClientApi } from '../../core/api/client-api.js';
import { clientApis } from './index.js';

const apis = clientApis.map((definition) => definition.create({}, { onDispose: () => undefined }) as ClientApi);

describe('client apis', () => {
  it('have unique types and paths', () => {
    const types = apis.map((api) => api.type);
    const paths = apis.flatMap((api) => api.paths);
    assert.equal(new Set(types).size, types.length);
    assert.equal(new Set(paths).size, paths.length);
    assert.deepEqual(
      types,
      clientApis.map((definition) => definition.type),
    );
    for (const path of paths) assert.match(path, /^\/[a-z0-9/_]+$/);
  });

  it('mint the request ids that each path has', () => {
    const prefix = (path: string): string | undefined => apis.find((api) => api.paths.includes(path))?.requestIdPrefix;
    const expected = {
      '/v1/chat/completions': 'chatcmpl-',
      '/v1/completions': 'cmpl-',
      '/generate': 'gnt-',
      '/v1/responses': 'resp-',
      '/v1/messages': 'msg_',
      '/v1/embeddings': 'req-',
      '/v1/rerank': 'req-',
      '/rerank': 'req-',
    };
    for (const [path, id] of Object.entries(expected)) assert.equal(prefix(path), id, path);
  });

  it('know how a stream of theirs ends, where they stream', () => {
    for (const api of apis) if (!api.streams) assert.equal(api.terminator, 'eof', api.type);
  });

  it('refuse unknown config', () => {
    for (const definition of clientApis) {
      assert.ok(definition.configSchema.safeParse({}).success);
      assert.equal(definition.configSchema.safeParse({ surprise: 1 }).success, false);
    }
  });
});
