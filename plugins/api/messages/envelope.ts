import { GatewayError } from '../../../core/api/errors.js';
import type { RequestHeaders } from '../../../core/api/headers.js';
import type { InferenceRequest } from '../../../core/api/inference.js';
import { ANTHROPIC_VERSION } from '../../../core/api/provider.js';

export const NO_MESSAGES = 'messages array is required and cannot be empty';
export const MAX_TOKENS_TOO_SMALL = 'max_tokens must be greater than 0';

const VERSION = 'anthropic-version';
const BETA = 'anthropic-beta';
/** Date of the first version. Later ones are the worker's to know: SDKs name new ones before any list here would. */
const FIRST_VERSION = '2023-01-01';
/** Bytes of `messages` that show whether it is an array with something in it. */
const GLANCE_BYTES = 64;

/** Head of a request in this dialect: one version, the default where the client names none; beta features in one field. */
export function completeHead(headers: RequestHeaders): GatewayError | undefined {
  const version = headers.get(VERSION);
  if (version === undefined) headers.set(VERSION, ANTHROPIC_VERSION);
  else if (!isVersion(version.trim())) {
    const message = `anthropic-version: '${version.slice(0, 80)}' is not a valid version; use ${ANTHROPIC_VERSION}`;
    return new GatewayError('invalid_anthropic_version', message, { param: VERSION });
  }
  joinRepeated(headers, BETA);
  return undefined;
}

/** A day of the calendar since there are versions; dates of this form compare as texts. */
function isVersion(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || text < FIRST_VERSION) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

function joinRepeated(headers: RequestHeaders, name: string): void {
  const values: string[] = [];
  headers.forEach((field, value) => {
    if (field === name) values.push(value);
  });
  if (values.length > 1) headers.set(name, values.join(','));
}

/**
 * What is checked of every request, whoever serves it: that there is a model, something to answer and, for `messages`,
 * room for an answer. The rest is the worker's business.
 */
export function checkMessagesEnvelope(request: InferenceRequest): GatewayError | undefined {
  return checkCountedEnvelope(request) ?? checkMaxTokens(request.rawField('max_tokens'));
}

export function checkCountedEnvelope(request: InferenceRequest): GatewayError | undefined {
  if (request.model === '') return refused('model', 'model field is required and cannot be empty');
  const text = request.rawField('messages', GLANCE_BYTES);
  if (text === undefined || text === 'null') {
    return new GatewayError('missing_required_parameter', NO_MESSAGES, { param: 'messages' });
  }
  if (!text.startsWith('[')) {
    const message = "Invalid type for 'messages': expected an array of messages";
    return new GatewayError('invalid_type', message, { param: 'messages' });
  }
  return /^\[\s*\]$/.test(text) ? refused('messages', NO_MESSAGES) : undefined;
}

function checkMaxTokens(text: string | undefined): GatewayError | undefined {
  if (text === undefined || text === 'null') {
    const message = "Missing required parameter: 'max_tokens'";
    return new GatewayError('missing_required_parameter', message, { param: 'max_tokens' });
  }
  const number = Number(text);
  if (!Number.isSafeInteger(number)) {
    const message = "Invalid type for 'max_tokens': expected an integer";
    return new GatewayError('invalid_type', message, { param: 'max_tokens' });
  }
  return number < 1 ? refused('max_tokens', MAX_TOKENS_TOO_SMALL) : undefined;
}

/** `invalid_value` with a message that does not begin with the field's name. */
export function refused(param: string, message: string): GatewayError {
  return new GatewayError('invalid_value', message, { param });
}
