import { createHash } from 'node:crypto';
import type { ToolDeclaration } from '../../../core/api/index.js';

/** Which names of tools a dialect takes. */
export interface ToolNameRule {
  readonly valid: RegExp;
  /** Matches every character that may not stand in a name; global. */
  readonly invalidCharacters: RegExp;
  /** What a name may begin with. */
  readonly start: RegExp;
  /** Characters. */
  readonly maxLength: number;
}

/** OpenAI's rule, which most share, Anthropic among them. */
export const COMMON_TOOL_NAMES: ToolNameRule = {
  valid: /^[A-Za-z0-9_-]{1,64}$/,
  invalidCharacters: /[^A-Za-z0-9_-]/g,
  start: /^[A-Za-z0-9_-]/,
  maxLength: 64,
};

/** Hexadecimal digits of the name's hash behind what was cut. */
const HASH_LENGTH = 6;

/**
 * The names of one request's tools in a dialect with a stricter rule, there and back. Names that the rule allows stay;
 * two that would become one are told apart by a hash.
 */
export class ToolNames {
  readonly #rule: ToolNameRule;
  readonly #toWorker = new Map<string, string>();
  readonly #toClient = new Map<string, string>();

  /** `tools`: those that the model may call; vendors' own have the vendors' names. */
  constructor(rule: ToolNameRule, tools: readonly ToolDeclaration[]) {
    this.#rule = rule;
    const declared = tools.flatMap((tool) => (tool.kind === 'vendor' ? [] : [tool.name]));
    for (const name of declared) if (!rule.valid.test(name)) this.#rewrite(name, declared);
  }

  toWorker(name: string): string {
    if (this.#rule.valid.test(name)) return name;
    return this.#toWorker.get(name) ?? safeName(name, this.#rule);
  }

  /** The client's name of a tool that the model called. */
  toClient(name: string): string {
    return this.#toClient.get(name) ?? name;
  }

  #rewrite(name: string, declared: readonly string[]): void {
    let safe = safeName(name, this.#rule);
    if (this.#toClient.has(safe) || declared.includes(safe)) safe = withHash(safe, name, this.#rule.maxLength);
    this.#toWorker.set(name, safe);
    this.#toClient.set(safe, name);
  }
}

function safeName(name: string, rule: ToolNameRule): string {
  const replaced = name.replace(rule.invalidCharacters, '_');
  const safe = rule.start.test(replaced) ? replaced : `_${replaced}`;
  return safe.length > rule.maxLength ? withHash(safe, name, rule.maxLength) : safe;
}

function withHash(safe: string, name: string, maxLength: number): string {
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_LENGTH);
  return `${safe.slice(0, maxLength - HASH_LENGTH - 1)}_${hash}`;
}
