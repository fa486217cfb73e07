import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { read, refused, TOOLS, USER } from './conversation.fixture.js';

describe('tools of a chat request', () => {
  it('are functions, custom tools and those of vendors', () => {
    const parameters = { type: 'object' };
    const vendor = { type: 'google_search', google_search: {} };
    const { tools } = read({
      tools: [
        { type: 'function', function: { name: 'f', description: 'd', parameters, strict: true } },
        { type: 'custom', custom: { name: 'g', description: 'd', format: { type: 'text' } } },
        vendor,
      ],
    });
    assert.deepEqual(tools, [
      { kind: 'function', name: 'f', description: 'd', parameters, strict: true, param: 'tools[0]' },
      { kind: 'custom', name: 'g', description: 'd', format: { type: 'text' }, param: 'tools[1]' },
      { kind: 'vendor', type: 'google_search', data: vendor, param: 'tools[2]' },
    ]);
    assert.deepEqual(read({ functions: [{ name: 'f' }] }).tools, [
      { kind: 'function', name: 'f', param: 'functions[0]' },
    ]);
    const messages = [{ role: 'developer', content: '', tools: TOOLS }, USER];
    assert.deepEqual(read({ messages }).tools, [{ kind: 'function', name: 'f', param: 'messages[0].tools[0]' }]);
  });

  it('are chosen in every form', () => {
    const choice = (value: unknown, fields: object = { tools: TOOLS }): unknown =>
      read({ ...fields, tool_choice: value }).toolChoice;
    assert.equal(read({ tools: TOOLS }).toolChoice, undefined);
    assert.deepEqual(choice('auto'), { mode: 'auto' });
    assert.deepEqual(choice('required'), { mode: 'required' });
    assert.deepEqual(choice('none', {}), { mode: 'none' });
    assert.deepEqual(choice({ type: 'function', function: { name: 'f' } }), { mode: 'tool', name: 'f' });
    const custom = { tools: [{ type: 'custom', custom: { name: 'g' } }] };
    assert.deepEqual(choice({ type: 'custom', custom: { name: 'g' } }, custom), { mode: 'tool', name: 'g' });
    const allowed = { mode: 'required', tools: [{ type: 'function', function: { name: 'f' } }] };
    const expected = { mode: 'allowed', required: true, names: ['f'] };
    assert.deepEqual(choice({ type: 'allowed_tools', allowed_tools: allowed }), expected);
    assert.deepEqual(choice({ type: 'allowed_tools', ...allowed }), expected);
    const functions = [{ name: 'f' }];
    assert.deepEqual(read({ functions, function_call: 'auto' }).toolChoice, { mode: 'auto' });
    assert.deepEqual(read({ functions, function_call: { name: 'f' } }).toolChoice, { mode: 'tool', name: 'f' });
  });

  it('that cannot be chosen are refused in the known words', () => {
    refused(
      { tool_choice: 'auto' },
      'invalid_value',
      'tool_choice',
      "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
    );
    refused(
      { tools: TOOLS, tool_choice: { type: 'function', function: { name: 'g' } } },
      'invalid_value',
      'tool_choice',
      "Invalid value for 'tool_choice': function 'g' not found in 'tools'.",
    );
    const allowed = (fields: object): object => ({ tools: TOOLS, tool_choice: { type: 'allowed_tools', ...fields } });
    refused(
      allowed({ mode: 'x', tools: [] }),
      'invalid_value',
      'tool_choice.mode',
      "Invalid value for 'tool_choice.mode': must be 'auto' or 'required', got 'x'.",
    );
    refused(
      allowed({ mode: 'auto', tools: [{ type: 'function', name: 'g' }] }),
      'invalid_value',
      'tool_choice.tools',
      "Invalid value for 'tool_choice.tools': tool 'g' not found in 'tools'.",
    );
    refused(allowed({ mode: 'auto' }), 'invalid_value', 'tool_choice.tools');
    refused({ tools: TOOLS, tool_choice: 'any' }, 'invalid_value', 'tool_choice');
    refused({ tools: TOOLS, tool_choice: 5 }, 'invalid_type', 'tool_choice');
    refused({ tools: TOOLS, tool_choice: { type: 'x' } }, 'invalid_value', 'tool_choice.type');
    refused({ functions: [{ name: 'f' }], function_call: { name: 'g' } }, 'invalid_value', 'function_call');
    refused({ tools: [{ function: {} }] }, 'missing_required_parameter', 'tools[0].type');
    refused({ tools: [{ type: 'function', function: { name: '' } }] }, 'invalid_value', 'tools[0].function.name');
  });
});
