import assert from 'node:assert/strict';
import type { Conversation } from '../../../core/api/conversation.js';
import { GatewayError } from '../../../core/api/errors.js';
import { readChatConversation } from './conversation.js';

export const USER = { role: 'user', content: 'Hi' };
export const TOOLS = [{ type: 'function', function: { name: 'f' } }];

/** A request with these fields, and one message unless they say otherwise. */
export function read(fields: object): Conversation {
  return readChatConversation({ model: 'm', messages: [USER], ...fields }, 'stream' in fields);
}

/** What each of these messages holds. */
export function parts(...messages: object[]): unknown {
  return read({ messages }).turns.map((turn) => turn.parts);
}

/** Asserts that a request with these fields is refused, on account of `param`. */
export function refused(fields: object, code: string, param: string, message?: string): void {
  assert.throws(
    () => read(fields),
    (error) => {
      assert.ok(GatewayError.is(error), String(error));
      assert.deepEqual([error.code, error.param], [code, param], error.message);
      assert.equal(error.status, 400);
      if (message !== undefined) assert.equal(error.message, message);
      return true;
    },
  );
}
