import { anthropicEnvelope } from '../../../core/api/error-envelope.js';
import { isJsonObject, parseJson } from '../../../core/api/json.js';

/** Of a body that is not JSON, characters. */
const MAX_TEXT_CHARS = 2048;

/** Engines answer errors in OpenAI's words or their own on this path, too: their message in Anthropic's envelope. */
export function rewriteError(status: number, body: string, requestId: string): Buffer | undefined {
  const said = parseJson(body);
  if (isJsonObject(said) && said.type === 'error' && isJsonObject(said.error)) return undefined;
  const message = messageOf(said) ?? body.slice(0, MAX_TEXT_CHARS).trim();
  const shown = message === '' ? `The worker answered with status ${status}` : message;
  return Buffer.from(JSON.stringify(anthropicEnvelope(status, shown, requestId)), 'utf8');
}

/** `error.message` (OpenAI), `message` (vLLM and SGLang of old), `detail` (FastAPI). */
function messageOf(said: unknown): string | undefined {
  if (!isJsonObject(said)) return undefined;
  const { error, message, detail } = said;
  for (const text of [isJsonObject(error) ? error.message : error, message, detail]) {
    if (typeof text === 'string' && text !== '') return text;
  }
  return detail === undefined ? undefined : JSON.stringify(detail).slice(0, MAX_TEXT_CHARS);
}
