/** Stands between a call's id and the signature that must come back with it. */
const MARK = '__thought__';

/**
 * Id of a `tool_use` block. Clients send it back with the call and its result and drop fields that they do not know, so a
 * signature (Gemini's, base64) travels in it, in characters that Anthropic allows in ids. An id in which a worker's dialect
 * has put it already gets it once.
 */
export function joinToolUseId(id: string, signature: string | undefined): string {
  const own = id.startsWith('call_') ? `toolu_${id.slice('call_'.length)}` : id;
  if (signature === undefined) return own;
  const [base = ''] = own.split(MARK, 1);
  return base + MARK + signature.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** The reverse; the signature is base64 again. An id without a mark is the client's own. */
export function splitToolUseId(text: string): { readonly id: string; readonly signature: string | undefined } {
  const at = text.indexOf(MARK);
  if (at < 0) return { id: text, signature: undefined };
  const plain = text
    .slice(at + MARK.length)
    .replaceAll('-', '+')
    .replaceAll('_', '/')
    .replace(/=+$/, '');
  return { id: text.slice(0, at), signature: plain + '='.repeat((4 - (plain.length % 4)) % 4) };
}
