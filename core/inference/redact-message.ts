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
