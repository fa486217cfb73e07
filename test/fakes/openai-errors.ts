import type { ZodType } from 'zod';
import { type FakeAnswer, type FakeRequest, firstViolation, type Violation } from './fake-provider.js';
import type { ChatBody } from './openai-schema.js';

/** OpenAI's refusals, in its own words. */

export function openAiError(
  status: number,
  message: string,
  code: string | null = null,
  param: string | null = null,
  type = 'invalid_request_error',
): FakeAnswer {
  return { status, json: { error: { message, type, param, code } } };
}

/** What a wrong key gets; undefined for the right one. */
export function refusalOfKey(request: FakeRequest, key: string): FakeAnswer | undefined {
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (given === key) return undefined;
  if (given === undefined) {
    return openAiError(
      401,
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API from your browser and are prompted for a username and password. You can obtain an API key from https://platform.openai.com/account/api-keys.",
    );
  }
  const masked =
    given.length < 12
      ? '*'.repeat(given.length)
      : `${given.slice(0, 8)}${'*'.repeat(given.length - 12)}${given.slice(-4)}`;
  const message = `Incorrect API key provided: ${masked}. You can find your API key at https://platform.openai.com/account/api-keys.`;
  return openAiError(401, message, 'invalid_api_key');
}

export function refusalOfModel(model: string, models: readonly string[]): FakeAnswer | undefined {
  if (models.includes(model)) return undefined;
  return openAiError(404, `The model \`${model}\` does not exist or you do not have access to it.`, 'model_not_found');
}

/** What a body outside the schema gets; undefined for one that fits. */
export function refusalOfBody(schema: ZodType, request: FakeRequest): FakeAnswer | undefined {
  if (request.json === undefined) {
    return openAiError(
      400,
      'We could not parse the JSON body of your request. (HINT: This likely means you aren’t using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)',
    );
  }
  const violation = firstViolation(schema, request.json);
  return violation === undefined ? undefined : wordsOf(violation);
}

function wordsOf({ kind, path, expected, found, bound }: Violation): FakeAnswer {
  const param = path.map((key, at) => (typeof key === 'number' ? `[${key}]` : `${at === 0 ? '' : '.'}${key}`)).join('');
  switch (kind) {
    case 'unknown':
      if (path.length === 1) return openAiError(400, `Unrecognized request argument supplied: ${param}`);
      return openAiError(400, `Unknown parameter: '${param}'.`, 'unknown_parameter', param);
    case 'missing':
      return openAiError(400, `Missing required parameter: '${param}'.`, 'missing_required_parameter', param);
    case 'type': {
      const message = `Invalid type for '${param}': expected ${alternatives(expected.map(typeWords))}, but got ${foundWords(found)} instead.`;
      return openAiError(400, message, 'invalid_type', param);
    }
    case 'value': {
      const values = alternatives(expected.map((value) => `'${value}'`));
      const message = `Invalid value: '${String(found)}'. Supported values are: ${values}.`;
      return openAiError(400, message, 'invalid_value', param);
    }
    case 'range': {
      const minimum = bound?.side === 'min';
      const words = minimum ? 'below minimum' : 'above maximum';
      const message = `Invalid '${param}': ${words} value. Expected a value ${minimum ? '>=' : '<='} ${bound?.value}, but got ${JSON.stringify(found)} instead.`;
      return openAiError(400, message, minimum ? 'below_min_value' : 'above_max_value', param);
    }
  }
}

function alternatives(words: readonly string[]): string {
  const unique = [...new Set(words)];
  return unique.length < 2 ? unique.join('') : `${unique.slice(0, -1).join(', ')} or ${unique.at(-1)}`;
}

function typeWords(type: string): string {
  const article = /^[aeiou]/.test(type) ? 'an' : 'a';
  return type === 'int' ? 'an integer' : `${article} ${type === 'number' ? 'decimal' : type}`;
}

function foundWords(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a decimal';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Rules between fields, and those of reasoning models. */
export function refusalOfMeaning(body: ChatBody, reasoningModel: boolean): FakeAnswer | undefined {
  if (body.stream_options != null && body.stream !== true) {
    const message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
    return openAiError(400, message, null, 'stream_options');
  }
  if (body.tool_choice !== undefined && body.tools === undefined) {
    const message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.";
    return openAiError(400, message, null, 'tool_choice');
  }
  if (body.parallel_tool_calls !== undefined && body.tools === undefined) {
    const message =
      "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.";
    return openAiError(400, message, null, 'parallel_tool_calls');
  }
  if (body.top_logprobs != null && body.logprobs !== true) {
    return openAiError(
      400,
      "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
      null,
      'top_logprobs',
    );
  }
  return refusalOfCalls(body) ?? (reasoningModel ? refusalOfReasoning(body) : undefined);
}

/** Each call must be answered by the tool messages that follow it, and none may answer what nobody called. */
function refusalOfCalls({ messages }: ChatBody): FakeAnswer | undefined {
  let open = new Set<string>();
  for (const [index, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (open.delete(message.tool_call_id)) continue;
      const text =
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
      return openAiError(400, text, null, `messages.[${index}].role`);
    }
    if (open.size > 0) return unanswered(open);
    open = new Set(message.role === 'assistant' ? message.tool_calls?.map(({ id }) => id) : []);
  }
  return open.size > 0 ? unanswered(open) : undefined;
}

function unanswered(ids: ReadonlySet<string>): FakeAnswer {
  const message = `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${[...ids].join(', ')}`;
  return openAiError(400, message, null, 'messages');
}

function refusalOfReasoning(body: ChatBody): FakeAnswer | undefined {
  if (body.max_tokens != null) {
    const message =
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
    return openAiError(400, message, 'unsupported_parameter', 'max_tokens');
  }
  for (const name of ['temperature', 'top_p'] as const) {
    const value = body[name];
    if (value == null || value === 1) continue;
    const message = `Unsupported value: '${name}' does not support ${value} with this model. Only the default (1) value is supported.`;
    return openAiError(400, message, 'unsupported_value', name);
  }
  return undefined;
}
