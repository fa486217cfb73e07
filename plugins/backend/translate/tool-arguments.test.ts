import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ToolCallPart } from '../../../core/api/index.js';
import { customToolInput, customToolSchema, toolArguments } from './tool-arguments.js';

const call = (text: string, custom = false): ToolCallPart => ({
  kind: 'tool_call',
  param: 'p',
  id: 'c',
  name: 'f',
  arguments: text,
  custom,
});

describe('arguments of calls in history', () => {
  it('become an object, whatever they were', () => {
    assert.deepEqual(toolArguments(call('{"a":1}')), { a: 1 });
    assert.deepEqual(toolArguments(call(' ')), {});
    assert.deepEqual(toolArguments(call('[1]')), { value: [1] });
    assert.deepEqual(toolArguments(call('null')), { value: null });
    assert.deepEqual(toolArguments(call('{"a":')), { _raw_arguments: '{"a":' });
    assert.deepEqual(toolArguments(call('ls -l', true)), { input: 'ls -l' });
  });

  it('of tools that take text come back as text', () => {
    assert.equal(customToolInput({ input: 'ls' }), 'ls');
    assert.equal(customToolInput({ other: 1 }), '{"other":1}');
    assert.equal(customToolInput(undefined), '{}');
  });

  it('of tools that take text are hinted at by their grammar', () => {
    const grammar = { syntax: 'lark', definition: 'start: "a"' };
    const hinted = { type: 'string', description: 'Text that matches this lark grammar:\nstart: "a"' };
    for (const format of [
      { type: 'grammar', grammar },
      { type: 'grammar', ...grammar },
    ]) {
      assert.deepEqual(customToolSchema(format).properties, { input: hinted });
    }
    assert.deepEqual(customToolSchema({ type: 'text' }).properties, { input: { type: 'string' } });
  });
});
