import { isJsonObject, parseJson } from '../api/json.js';

/** Shapes of the providers' keys, and of a bearer token in a sentence. */
const KEYS =
  /\b(?:sk-[A-Za-z0-9_-]{8,}|xai-[A-Za-z0-9_-]{8,}|AIza[A-Za-z0-9_-]{8,}|gsk_[A-Za-z0-9]{8,})|\bBearer\s+\S+/g;
/** How OpenAI masks a key in the message about it: the ends are still the key's. */
const MASKED = /\b(?:sk|xai)-[A-Za-z0-9_-]*\*+[A-Za-z0-9_-]*/g;
/** Words that name the operator's account. */
const ACCOUNT = /\b(?:organization\s+org-[A-Za-z0-9]+|project\s+proj_[A-Za-z0-9]+)/g;

/** A provider's message without what is not the client's business: keys, and whose account it is. */
export function redactMessage(message: string): string {
  return message.replace(MASKED, '***').replace(KEYS, '***').replace(ACCOUNT, '***');
}

/** OpenAI's code for an image that it could not fetch; its message repeats the address and what stands there. */
export const INVALID_IMAGE_URL = 'invalid_image_url';
/** What is said instead. */
export const INVALID_IMAGE_MESSAGE = 'Invalid Image URL';

/** A provider's error body, {@link redactMessage} applied; byte for byte but for what is taken out. */
export function redactErrorBody(body: Buffer): Buffer {
  const text = body.toString('latin1');
  const redacted = redactMessage(text);
  if (!redacted.includes(INVALID_IMAGE_URL)) return redacted === text ? body : Buffer.from(redacted, 'latin1');
  return withoutImageMessage(Buffer.from(redacted, 'latin1'));
}

function withoutImageMessage(body: Buffer): Buffer {
  const parsed = parseJson(body.toString('utf8'));
  const error = isJsonObject(parsed) ? parsed.error : undefined;
  if (!isJsonObject(error) || error.code !== INVALID_IMAGE_URL || typeof error.message !== 'string') return body;
  error.message = INVALID_IMAGE_MESSAGE;
  return Buffer.from(JSON.stringify(parsed), 'utf8');
}
