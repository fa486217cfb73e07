import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type ToolNameRule, ToolNames } from './tool-names.js';

const RULE: ToolNameRule = {
  valid: /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/,
  invalidCharacters: /[^A-Za-z0-9_-]/g,
  start: /^[A-Za-z_]/,
  maxLength: 64,
};

const namesOf = (...names: string[]): ToolNames =>
  new ToolNames(
    RULE,
    names.map((name) => ({ kind: 'function', name, param: 'tools[0]' })),
  );

describe('names of tools in a dialect', () => {
  it('stay where the rule allows them', () => {
    const names = namesOf('get_weather');
    assert.equal(names.toWorker('get_weather'), 'get_weather');
    assert.equal(names.toClient('get_weather'), 'get_weather');
  });

  it('are rewritten where it does not, those of history too', () => {
    const names = namesOf('files/read', '9lives');
    assert.equal(names.toWorker('files/read'), 'files_read');
    assert.equal(names.toWorker('9lives'), '_9lives');
    assert.equal(names.toClient('files_read'), 'files/read');
    assert.equal(names.toWorker('gone.tool'), 'gone_tool');
    assert.match(names.toWorker('x'.repeat(80)), /^x{57}_[0-9a-f]{6}$/);
  });

  it('come back as they were, and are never two for one', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '/', '.', '_', '1', 'é'), minLength: 1, maxLength: 90 });
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 6 }), (declared) => {
        const names = namesOf(...declared);
        const sent = declared.map((each) => names.toWorker(each));
        assert.equal(new Set(sent).size, declared.length);
        for (const each of sent) assert.match(each, RULE.valid);
        assert.deepEqual(
          sent.map((each) => names.toClient(each)),
          declared,
        );
      }),
    );
  });
});
