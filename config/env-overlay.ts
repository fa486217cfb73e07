import { parseDocument } from 'yaml';
import { type ConfigNode, nodeOf, type Origin } from './config-node.js';

/** One value set from outside the files. */
export interface Assignment {
  /** Keys from the top; in lists an index or the `name` of an item. */
  readonly path: readonly string[];
  readonly node: ConfigNode;
}

const PREFIX = /^(?:GATEWAY|SMG)__/;

/**
 * Values from `GATEWAY__TELEMETRY__LOGS__LEVEL=debug` (or `SMG__…`): double underscore for the dot, names in any case.
 * Texts become numbers where the schema wants them; a value in `[…]` or `{…}` is read as YAML.
 */
export function envAssignments(env: Readonly<Record<string, string | undefined>>): Assignment[] {
  const assignments: Assignment[] = [];
  for (const name of Object.keys(env).sort()) {
    const text = env[name];
    if (text === undefined || !PREFIX.test(name)) continue;
    const path = name.replace(PREFIX, '').toLowerCase().split('__');
    const origin: Origin = { source: 'env', label: name, file: undefined, line: 0, column: 0 };
    assignments.push({ path, node: valueNode(text, path, origin, true) });
  }
  return assignments;
}

/** Node of a text: lists and maps in YAML flow style are read as such, anything else stays text that may be coerced. */
export function valueNode(text: string, path: readonly string[], origin: Origin, literal: boolean): ConfigNode {
  const options = { coercible: true, literal };
  if (/^\s*[[{]/.test(text)) {
    const document = parseDocument(text, { schema: 'core', prettyErrors: false, logLevel: 'silent' });
    if (document.errors.length === 0) return nodeOf(document.toJS({ maxAliasCount: 0 }), path, origin, options);
  }
  return nodeOf(text, path, origin, options);
}
