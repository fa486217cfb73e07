import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readCompletionsConversation } from './conversation.js';

describe('a text completion as a conversation', () => {
  it('is one message of the user', () => {
    const turns = [{ role: 'user', parts: [{ kind: 'text', text: 'p', param: 'prompt' }], param: 'prompt' }];
    const rest = { tools: [], stream: false };
    for (const prompt of ['p', ['p']]) {
      assert.deepEqual(readCompletionsConversation({ model: 'm', prompt, echo: false, suffix: null }, false), {
        turns,
        sampling: {},
        stop: [],
        choices: 1,
        extra: {},
        ...rest,
      });
    }
    const body = {
      prompt: 'p',
      max_tokens: 5,
      temperature: 0,
      stop: '.',
      n: 2,
      best_of: 2,
      logprobs: 3,
      user: 'u',
      min_p: 0.1,
    };
    assert.deepEqual(readCompletionsConversation(body, false), {
      turns,
      sampling: { temperature: 0 },
      stop: ['.'],
      choices: 2,
      maxTokens: 5,
      logprobs: { top: 3 },
      user: 'u',
      extra: { min_p: 0.1 },
      ...rest,
    });
  });

  it('is refused where it means something else', () => {
    for (const [fields, code, param] of [
      [{ prompt: undefined }, 'missing_required_parameter', 'prompt'],
      [{ prompt: 5 }, 'invalid_type', 'prompt'],
      [{ prompt: [] }, 'invalid_value', 'prompt'],
      [{ prompt: [null] }, 'invalid_type', 'prompt[0]'],
      [{ prompt: ['a', 'b'] }, 'unsupported_parameter', 'prompt'],
      [{ prompt: [1, 2] }, 'unsupported_parameter', 'prompt'],
      [{ prompt: [[1, 2]] }, 'unsupported_parameter', 'prompt'],
      [{ echo: true }, 'unsupported_parameter', 'echo'],
      [{ suffix: 'x' }, 'unsupported_parameter', 'suffix'],
      [{ best_of: 3 }, 'unsupported_parameter', 'best_of'],
      [{ max_tokens: 0 }, 'invalid_value', 'max_tokens'],
      [{ stream_options: {} }, 'invalid_value', 'stream_options'],
    ] as const) {
      assert.throws(() => readCompletionsConversation({ prompt: 'p', ...fields }, false), { code, param, status: 400 });
    }
  });
});
