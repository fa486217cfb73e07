import type { ToolDeclaration } from '../../../core/api/index.js';
import { type ToolNameRule, ToolNames } from '../translate/tool-names.js';

/** What Anthropic takes as the name of a tool. */
const RULE: ToolNameRule = {
  valid: /^[A-Za-z0-9_-]{1,64}$/,
  invalidCharacters: /[^A-Za-z0-9_-]/g,
  start: /^[A-Za-z0-9_-]/,
  maxLength: 64,
};
const INVALID_ID_CHARACTER = /[^A-Za-z0-9_-]/g;
/** Where the chat api puts a thought signature of Gemini's into the id of a call. */
const SIGNATURE_MARK = '__thought__';

/** The same for the same declarations, for the encoder and the decoder of a call. */
export function toolNamesOf(tools: readonly ToolDeclaration[]): ToolNames {
  return new ToolNames(RULE, [...clientNames(tools)]);
}

function* clientNames(tools: readonly ToolDeclaration[]): Iterable<string> {
  for (const tool of tools) if (tool.kind !== 'vendor') yield tool.name;
}

/** Id of a call in both its places, so that pairs stay pairs; a signature that rides on it is not Anthropic's. */
export function toolUseId(id: string): string {
  const end = id.indexOf(SIGNATURE_MARK);
  const base = end > 0 ? id.slice(0, end) : id;
  return base === '' ? '_' : base.replace(INVALID_ID_CHARACTER, '_');
}
