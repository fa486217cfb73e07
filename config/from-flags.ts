import { stringify } from 'yaml';
import { type ConfigNode, type MapNode, mapNode, nodeOf } from './config-node.js';
import type { Assignment } from './env-overlay.js';
import { assignNode } from './node-merge.js';
import { isSecretKey } from './secret.js';

/** A file that means the same as a command line. */
export interface FlagsAsYaml {
  readonly yaml: string;
  /** Environment variables that take the place of secrets: they must be set before the file is loaded. */
  readonly variables: readonly string[];
}

/** Writes what `parseFlags` found as a file with `defaults: smg`. Secrets become `$SMG_…` variables. */
export function flagsToYaml(patch: readonly Assignment[]): FlagsAsYaml {
  const origin = { source: 'default', label: '', file: undefined, line: 0, column: 0 } as const;
  let root: MapNode = mapNode([['defaults', nodeOf('smg', ['defaults'], origin)]], [], origin);
  for (const { path, node } of patch) root = assignNode(root, path, node) as MapNode;
  const variables = new Map<string, string>();
  const document = writeNode(root, '', variables) as Record<string, unknown>;
  const notes = [...variables.keys()].map((name) => `# set ${name} to the key that was given as a flag\n`).join('');
  return { yaml: notes + stringify(document, { lineWidth: 0 }), variables: [...variables.keys()] };
}

function writeNode(node: ConfigNode, key: string, variables: Map<string, string>): unknown {
  if (node.kind === 'list') return node.items.map((item) => writeNode(item, key, variables));
  if (node.kind === 'map') {
    return Object.fromEntries([...node.entries].map(([name, { value }]) => [name, writeNode(value, name, variables)]));
  }
  if (typeof node.value !== 'string') return node.value;
  if (node.literal) {
    if (!isSecretKey(key)) return node.value.replaceAll('$', '$$$$');
    return variableFor(key, node.value, variables);
  }
  if (!node.coercible) return node.value;
  return writeText(node.value, key, variables);
}

/** Text of `--set`: a number or a boolean where it reads like one. */
function writeText(text: string, key: string, variables: Map<string, string>): unknown {
  if (isSecretKey(key) && !text.startsWith('$')) {
    return variableFor(key, text, variables);
  }
  if (text === 'true' || text === 'false') return text === 'true';
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** `$SMG_KEY`, `$SMG_KEY_2`, …: one name a secret. */
function variableFor(key: string, secret: string, variables: Map<string, string>): string {
  const base = `SMG_${key.toUpperCase()}`;
  let name = base;
  for (let count = 2; variables.has(name) && variables.get(name) !== secret; count++) name = `${base}_${count}`;
  variables.set(name, secret);
  return `$${name}`;
}
