import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, visit } from 'yaml';
import type { ConfigIssue } from './config-errors.js';
import {
  type ConfigNode,
  type ConfigPath,
  formatPath,
  type MapEntry,
  type MapNode,
  nodeOf,
  type Origin,
  scalarNode,
} from './config-node.js';

/** Longest file that is read, bytes. */
export const MAX_FILE_BYTES = 8 * 1024 * 1024;
/** Values in one file after aliases are expanded: an alias bomb stops here. */
const MAX_NODES = 100_000;
const MAX_DEPTH = 64;
/** Open brackets at once in the text, those inside of quotes and comments too. */
const MAX_OPEN_BRACKETS = 1000;

/** What one file says. `root` is undefined when it cannot be read as YAML at all. */
export interface YamlDocument {
  readonly root: MapNode | undefined;
  readonly issues: readonly ConfigIssue[];
}

/**
 * Parses one YAML 1.2 file (core schema: `on` and `off` are text) into located nodes. Duplicate keys, tags and keys that
 * are no text are errors; anchors, aliases and `<<` work.
 * @param label the file as the user named it. @param file its absolute path.
 */
export function readYaml(text: string, label: string, file: string): YamlDocument {
  return new YamlReader(text, label, file).read();
}

class YamlReader {
  readonly #text: string;
  readonly #label: string;
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #issues: ConfigIssue[] = [];
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<Node>();
  #count = 0;

  constructor(text: string, label: string, file: string) {
    this.#text = text;
    this.#label = label;
    this.#file = file;
  }

  read(): YamlDocument {
    try {
      return this.#readDocument();
    } catch (error) {
      if (!(error instanceof LimitError) && !(error instanceof RangeError)) throw error;
      const message = error instanceof LimitError ? error.message : `is nested deeper than ${MAX_DEPTH} levels`;
      this.#report(error instanceof LimitError ? error.offset : 0, [], message);
      return { root: undefined, issues: this.#issues };
    }
  }

  /** The parser's time grows with the square of open brackets: far too many are refused before it sees them. */
  #checkBrackets(): void {
    let depth = 0;
    for (let at = 0; at < this.#text.length; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === 0x5b || code === 0x7b) depth++;
      else if ((code === 0x5d || code === 0x7d) && depth > 0) depth--;
      if (depth > MAX_OPEN_BRACKETS) throw new LimitError(`is nested deeper than ${MAX_DEPTH} levels`, at);
    }
  }

  #readDocument(): YamlDocument {
    this.#checkBrackets();
    const document = parseDocument(this.#text, {
      version: '1.2',
      schema: 'core',
      uniqueKeys: true,
      prettyErrors: false,
      lineCounter: this.#lines,
      logLevel: 'error',
    });
    for (const error of document.errors) this.#reportSyntax(error.pos[0], error.message);
    if (document.errors.length > 0) return { root: undefined, issues: this.#issues };
    // In document order, so that an alias means the anchor before it.
    visit(document, {
      Node: (_key, node) => {
        if (!isAlias(node) && node.anchor !== undefined && !this.#anchors.has(node.anchor)) {
          this.#anchors.set(node.anchor, node);
        }
      },
    });
    const origin = this.#originAt(0);
    const contents = document.contents as Node | null;
    if (contents === null || (isScalar(contents) && contents.value === null)) {
      return { root: nodeOf({}, [], origin) as MapNode, issues: this.#issues };
    }
    const root = this.#convert(contents, []);
    if (root.kind !== 'map') {
      this.#report(0, [], 'the file must hold a map of settings at its top');
      return { root: undefined, issues: this.#issues };
    }
    return { root, issues: this.#issues };
  }

  #convert(node: Node | null | undefined, path: ConfigPath, at = 0): ConfigNode {
    const offset = node?.range?.[0] ?? at;
    if (++this.#count > MAX_NODES) {
      throw new LimitError(`holds more than ${MAX_NODES} values once its aliases are expanded`, offset);
    }
    if (path.length > MAX_DEPTH) throw new LimitError(`is nested deeper than ${MAX_DEPTH} levels`, offset);
    const origin = this.#originAt(offset);
    if (isAlias(node)) return this.#convertAlias(node.source, path, offset);
    if (node === null || node === undefined) return scalarNode(null, path, origin);
    if (node.tag !== undefined && !node.tag.startsWith('tag:yaml.org,2002:')) {
      this.#report(offset, path, `the tag ${node.tag} is not supported`);
    }
    if (isMap(node)) return this.#convertMap(node.items, path, origin);
    if (isSeq(node)) {
      const items = node.items.map((item, index) => this.#convert(item as Node, [...path, index], offset));
      return { kind: 'list', items, path, origin };
    }
    return scalarNode(this.#scalarValue(node as Node, path, offset), path, origin);
  }

  #scalarValue(node: Node, path: ConfigPath, offset: number): string | number | boolean | null {
    const value: unknown = isScalar(node) ? node.value : null;
    if (typeof value === 'bigint') return Number(value);
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return value;
    }
    this.#report(offset, path, 'is not text, a number, true, false, a list or a map');
    return null;
  }

  #convertAlias(name: string, path: ConfigPath, offset: number): ConfigNode {
    const target = this.#anchors.get(name);
    if (target === undefined || this.#open.has(target)) {
      const message = target === undefined ? `no anchor &${name}` : `the alias *${name} stands inside its own anchor`;
      this.#report(offset, path, message);
      return scalarNode(null, path, this.#originAt(offset));
    }
    this.#open.add(target);
    const node = this.#convert(target, path);
    this.#open.delete(target);
    return node;
  }

  #convertMap(pairs: readonly Pair[], path: ConfigPath, origin: Origin): MapNode {
    const entries = new Map<string, MapEntry>();
    const inherited: MapNode[] = [];
    for (const pair of pairs) {
      const keyNode = pair.key as Node;
      const offset = keyNode?.range?.[0] ?? 0;
      const key = isScalar(keyNode) && keyNode.value !== null ? String(keyNode.value) : undefined;
      if (key === undefined || key === '__proto__') {
        this.#report(offset, path, key === undefined ? 'keys must be text' : 'the key __proto__ is not allowed');
        continue;
      }
      const value = this.#convert(pair.value as Node | null, key === '<<' ? path : [...path, key], offset);
      if (key === '<<') inherited.push(...this.#mergeSources(value, offset, path));
      else entries.set(key, { keyOrigin: this.#originAt(offset), value });
    }
    for (const source of inherited) {
      for (const [key, entry] of source.entries) if (!entries.has(key)) entries.set(key, entry);
    }
    return { kind: 'map', entries, path, origin };
  }

  /** Maps that `<<` names: one, or a list of which the first wins. */
  #mergeSources(value: ConfigNode, offset: number, path: ConfigPath): MapNode[] {
    if (value.kind === 'map') return [value];
    if (value.kind === 'list' && value.items.every((item) => item.kind === 'map')) return value.items as MapNode[];
    this.#report(offset, path, '<< takes a map or a list of maps');
    return [];
  }

  #originAt(offset: number): Origin {
    const { line, col } = this.#lines.linePos(offset);
    return { source: 'file', label: this.#label, file: this.#file, line: Math.max(1, line), column: Math.max(1, col) };
  }

  #report(offset: number, path: ConfigPath, message: string): void {
    this.#issues.push({ origin: this.#originAt(offset), path: formatPath(path), message });
  }

  #reportSyntax(offset: number, message: string): void {
    const { line } = this.#lines.linePos(offset);
    const start = this.#lines.lineStarts[line - 1] ?? 0;
    const end = this.#lines.lineStarts[line] ?? this.#text.length;
    const text = this.#text.slice(start, end);
    const hint = /[{[,][^"']*\$\{/.test(text) ? `; inside { } or [ ] write $NAME, or put "\${NAME}" in quotes` : '';
    this.#report(offset, [], `${firstSentence(message)}${hint}`);
  }
}

/** Parser messages may quote the source; what is quoted may be a secret. */
function firstSentence(message: string): string {
  const text = message.split('\n')[0] as string;
  return text
    .replace(/: ?".*"$|: \S{16,}$/, '')
    .replace(/^Map keys must be unique.*/, 'the same key stands twice in one map');
}

class LimitError extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}
