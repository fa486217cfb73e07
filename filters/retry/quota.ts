import { parseJson } from '../../core/api/json.js';
/** Of the body of a 429, bytes; a longer one is no error of a provider. */
export const MAX_QUOTA_BODY_BYTES = 16 * 1024;

/** Whether a provider's 429 says that the account has no money left, which no further attempt mends. */
export function saysInsufficientQuota(body: Buffer): boolean {
  const text = body.toString('utf8');
  if (!text.includes('insufficient_quota')) return false;
  // One that was cut off, or is no JSON, is as any other 429.
  const error = (parseJson(text) as { error?: { code?: unknown; type?: unknown } | null } | null | undefined)?.error;
  return error?.code === 'insufficient_quota' || error?.type === 'insufficient_quota';
}
