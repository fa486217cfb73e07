import type { Conversation } from '../../../core/api/conversation.js';
import { GatewayError } from '../../../core/api/errors.js';
import type { JsonObject } from '../../../core/api/inference.js';
import {
  invalidType,
  invalidValue,
  missingParameter,
  optionalBoolean,
  optionalInteger,
  optionalString,
  present,
} from '../json-fields.js';
import { readShared } from '../openai-request.js';

/** Fields that a {@link Conversation} stands for, that are refused, or that only say how the answer is framed. */
const KNOWN: ReadonlySet<string> = new Set([
  'model',
  'prompt',
  'stream',
  'stream_options',
  'echo',
  'suffix',
  'best_of',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'logit_bias',
  'stop',
  'n',
  'logprobs',
  'user',
]);

/**
 * Reads a text completion as a conversation of one user message, for workers that know nothing but conversations. What
 * has no meaning there (several prompts, token ids, `echo`, `suffix`, `best_of`) is refused.
 */
export function readCompletionsConversation(body: JsonObject, stream: boolean): Conversation {
  const shared = readShared(body, stream, KNOWN);
  const text = readPrompt(body);
  if (optionalBoolean(body, 'echo', '') === true) throw unsupported('echo');
  if ((optionalString(body, 'suffix', '') ?? '') !== '') throw unsupported('suffix');
  if ((optionalInteger(body, 'best_of', '', 0) ?? 1) > shared.choices) throw unsupported('best_of');
  const top = optionalInteger(body, 'logprobs', '', 0);
  return {
    turns: [{ role: 'user', parts: [{ kind: 'text', text, param: 'prompt' }], param: 'prompt' }],
    tools: [],
    ...shared,
    ...present({
      maxTokens: optionalInteger(body, 'max_tokens', '', 1),
      logprobs: top === undefined ? undefined : { top },
      user: optionalString(body, 'user', ''),
    }),
  };
}

function readPrompt(body: JsonObject): string {
  const prompt = body.prompt ?? undefined;
  if (prompt === undefined) throw missingParameter('prompt');
  if (typeof prompt === 'string') return prompt;
  if (!Array.isArray(prompt)) throw invalidType('prompt', 'a string or an array', prompt);
  const [first] = prompt as readonly unknown[];
  if (first === undefined) throw invalidValue('prompt', 'it must not be empty');
  if (typeof first === 'number' || Array.isArray(first)) throw unsupported('prompt', 'token ids are');
  if (prompt.length > 1) throw unsupported('prompt', 'several prompts are');
  if (typeof first !== 'string') throw invalidType('prompt[0]', 'a string', first);
  return first;
}

function unsupported(param: string, what = 'it is'): GatewayError {
  const message = `Unsupported value for '${param}': ${what} not supported by the workers of this model`;
  return new GatewayError('unsupported_parameter', message, { param });
}
