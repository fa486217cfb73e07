import { type FakeAnswer, type FakeRequest, firstViolation, type Violation } from './fake-provider.js';
import { type GenerateContentBody, type GenerateContentPart, generateContentSchema } from './gemini-schema.js';

/** Google's refusals, in its own words. */

/** What stands for a signature that is lost. */
const PLACEHOLDER = 'skip_thought_signature_validator';
const FUNCTION_NAME = /^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$/;

export function googleError(
  code: number,
  status: string,
  message: string,
  details?: readonly object[],
): FakeAnswer & { readonly json: object } {
  return { status: code, json: { error: { code, message, status, ...(details === undefined ? {} : { details }) } } };
}

function invalid(message: string, details?: readonly object[]): FakeAnswer {
  return googleError(400, 'INVALID_ARGUMENT', message, details);
}

/** A wait that a quota names. */
export function quotaError(retryDelay: string): FakeAnswer {
  return googleError(429, 'RESOURCE_EXHAUSTED', 'You exceeded your current quota.', [
    { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay },
  ]);
}

/** What a wrong key gets; keys in the URL would do at Google, but end up in logs. */
export function refusalOfKey(request: FakeRequest, key: string): FakeAnswer | undefined {
  const given = request.headers['x-goog-api-key'];
  if (given === key) return undefined;
  if (given === undefined) {
    return googleError(
      403,
      'PERMISSION_DENIED',
      "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
    );
  }
  return invalid('API key not valid. Please pass a valid API key.', [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: 'API_KEY_INVALID',
      domain: 'googleapis.com',
      metadata: { service: 'generativelanguage.googleapis.com' },
    },
  ]);
}

export function refusalOfModel(model: string, models: readonly string[]): FakeAnswer | undefined {
  if (models.includes(model)) return undefined;
  return googleError(
    404,
    'NOT_FOUND',
    `models/${model} is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods.`,
  );
}

/** What a body outside the schema gets; undefined for one that fits. */
export function refusalOfBody(body: unknown): FakeAnswer | undefined {
  if (body === undefined) return invalid('Invalid JSON payload received. Unexpected end of string.');
  const violation = firstViolation(generateContentSchema, body);
  return violation === undefined ? undefined : wordsOf(violation);
}

function wordsOf({ kind, path, expected, found }: Violation): FakeAnswer {
  if (kind === 'unknown') {
    const at = protoPath(path.slice(0, -1));
    const description = `Invalid JSON payload received. Unknown name "${String(path.at(-1))}"${at === '' ? '' : ` at '${at}'`}: Cannot find field.`;
    return badField(at, description);
  }
  const at = protoPath(path);
  if (kind === 'missing') return invalid(`* GenerateContentRequest.${at}: ${String(path.at(-1))} is not specified\n`);
  if (kind === 'range') return invalid(`* GenerateContentRequest.${at}: ${String(path.at(-1))} is out of range\n`);
  return badField(at, `Invalid value at '${at}' (${expected.join('|')}), ${JSON.stringify(found)}`);
}

function badField(field: string, description: string): FakeAnswer {
  return invalid(description, [
    { '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field, description }] },
  ]);
}

/** Google names fields as its protocol buffers do. */
function protoPath(path: readonly (string | number)[]): string {
  return path
    .map((key, at) => (typeof key === 'number' ? `[${key}]` : `${at === 0 ? '' : '.'}${snakeCase(key)}`))
    .join('');
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** What contradicts itself, or the model. `issued`: signatures that the fake gave out. */
export function refusalOfMeaning(
  body: GenerateContentBody,
  model: string,
  issued: ReadonlySet<string>,
): FakeAnswer | undefined {
  return (
    refusalOfContents(body) ??
    refusalOfTools(body, model) ??
    refusalOfConfig(body) ??
    (/^gemini-3/.test(model) ? refusalOfSignatures(body, issued) : undefined)
  );
}

const DATA_FIELDS = ['text', 'inlineData', 'fileData', 'functionCall', 'functionResponse', 'executableCode'] as const;

function refusalOfContents({ contents }: GenerateContentBody): FakeAnswer | undefined {
  if (contents.length === 0) return invalid('* GenerateContentRequest.contents: contents is not specified\n');
  for (const [index, { role, parts }] of contents.entries()) {
    if (role !== undefined && role !== 'user' && role !== 'model') {
      return invalid('Please use a valid role: user, model.');
    }
    for (const [at, part] of parts.entries()) {
      if (!DATA_FIELDS.some((field) => part[field] !== undefined) || (part.text === '' && !part.thoughtSignature)) {
        return invalid(
          `* GenerateContentRequest.contents[${index}].parts[${at}].data: required oneof field 'data' must have one initialized field\n`,
        );
      }
    }
    const wrong = refusalOfStep(contents, index);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function count(parts: readonly GenerateContentPart[], field: 'functionCall' | 'functionResponse'): number {
  return parts.filter((part) => part[field] !== undefined).length;
}

/** Calls come after a user's turn, and as many answers after them, alone. */
function refusalOfStep(contents: GenerateContentBody['contents'], index: number): FakeAnswer | undefined {
  const { role, parts } = contents[index] as GenerateContentBody['contents'][number];
  const before = contents[index - 1];
  const responses = count(parts, 'functionResponse');
  if (role === 'model' && count(parts, 'functionCall') > 0 && before?.role !== 'user') {
    return invalid(
      'Please ensure that function call turn comes immediately after a user turn or after a function response turn.',
    );
  }
  if (before !== undefined && count(before.parts, 'functionCall') !== responses) {
    return invalid(
      'Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.',
    );
  }
  if (responses > 0 && responses !== parts.length) {
    return invalid('Please ensure that function response turn contains function response parts only.');
  }
  const called = (before?.parts ?? []).flatMap(({ functionCall }) => functionCall?.name ?? []);
  const answered = parts.flatMap(({ functionResponse }) => functionResponse?.name ?? []);
  if (answered.some((name, at) => name !== called[at])) {
    return invalid('Please ensure that function responses are in the order of the function calls.');
  }
  return undefined;
}

function refusalOfTools(body: GenerateContentBody, model: string): FakeAnswer | undefined {
  const { tools = [], toolConfig, generationConfig, systemInstruction, cachedContent } = body;
  if (
    cachedContent !== undefined &&
    (tools.length > 0 || toolConfig !== undefined || systemInstruction !== undefined)
  ) {
    return invalid(
      'CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.',
    );
  }
  const functions = tools.flatMap(({ functionDeclarations = [] }) => functionDeclarations);
  for (const [index, { name }] of functions.entries()) {
    if (FUNCTION_NAME.test(name)) continue;
    return invalid(
      `* GenerateContentRequest.tools[0].function_declarations[${index}].name: [FIELD_INVALID] Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64.\n`,
    );
  }
  const allowed = toolConfig?.functionCallingConfig.allowedFunctionNames ?? [];
  const mode = toolConfig?.functionCallingConfig.mode;
  if (allowed.length > 0 && mode !== 'ANY' && mode !== 'VALIDATED') {
    return invalid('Allowed function names should be set only when function calling mode is ANY or VALIDATED.');
  }
  if (allowed.some((name) => !functions.some((declared) => declared.name === name))) {
    return invalid('Allowed function names must be declared.');
  }
  if (/^gemini-3/.test(model) || functions.length === 0) return undefined;
  if (generationConfig?.responseMimeType === 'application/json') {
    return invalid("Function calling with a response mime type: 'application/json' is unsupported");
  }
  return tools.length > 1 ? invalid('Tool use with function calling is unsupported') : undefined;
}

function refusalOfConfig({ generationConfig = {} }: GenerateContentBody): FakeAnswer | undefined {
  const { thinkingConfig = {}, responseSchema, responseJsonSchema, responseMimeType } = generationConfig;
  if (thinkingConfig.thinkingBudget !== undefined && thinkingConfig.thinkingLevel !== undefined) {
    return invalid('You can only set only one of thinking budget and thinking level.');
  }
  const hasSchema = responseSchema !== undefined || responseJsonSchema !== undefined;
  if (hasSchema && responseMimeType !== 'application/json') {
    return invalid('Response schema is only supported with response mime type application/json.');
  }
  return undefined;
}

/** Of the current turn, the first call of each step must carry the signature that it came with. */
function refusalOfSignatures({ contents }: GenerateContentBody, issued: ReadonlySet<string>): FakeAnswer | undefined {
  const lastUser = contents.findLastIndex(
    ({ role, parts }) => role === 'user' && count(parts, 'functionResponse') === 0,
  );
  for (const [index, { parts }] of contents.entries()) {
    const call = parts.find(({ functionCall }) => functionCall !== undefined);
    if (index < lastUser || call === undefined) continue;
    const signature = call.thoughtSignature;
    if (signature === undefined) {
      return invalid(
        `Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call \`default_api:${call.functionCall?.name}\` , position ${index + 1}. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.`,
      );
    }
    if (signature !== PLACEHOLDER && !issued.has(signature)) return invalid('Thought signature is not valid.');
  }
  return undefined;
}
