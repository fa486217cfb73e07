const INVALID_ID_CHARACTER = /[^A-Za-z0-9_-]/g;
/** Where the chat api puts a thought signature of Gemini's into the id of a call. */
const SIGNATURE_MARK = '__thought__';

/** Id of a call in both its places, so that pairs stay pairs; a signature that rides on it is not Anthropic's. */
export function toolUseId(id: string): string {
  const end = id.indexOf(SIGNATURE_MARK);
  const base = end > 0 ? id.slice(0, end) : id;
  return base === '' ? '_' : base.replace(INVALID_ID_CHARACTER, '_');
}
