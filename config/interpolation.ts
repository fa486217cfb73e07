import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { ConfigIssue } from './config-errors.js';
import { type ConfigNode, formatPath, type ScalarNode } from './config-node.js';
import { isSecretKey } from './secret.js';

/** Longest file that `$file:` reads, bytes. */
const MAX_REFERENCED_BYTES = 1024 * 1024;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

export interface InterpolationResult {
  readonly issues: readonly ConfigIssue[];
  /** Absolute paths of files that values were read from. */
  readonly files: readonly string[];
}

/**
 * Fills the placeholders of every scalar in place: `$NAME`, `$file:path`, `${NAME}`, `${NAME:-text}`,
 * `${NAME:?message}`, `${file:path}`, and `$$` for `$`. Values never add structure, keys are never touched, and what was
 * filled in is not looked at again. Paths are relative to the file that names them; those of flags and of the
 * environment to `cwd`.
 */
export async function interpolate(
  root: ConfigNode,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): Promise<InterpolationResult> {
  const interpolator = new Interpolator(env, cwd);
  await interpolator.visit(root, '');
  return interpolator;
}

class Interpolator implements InterpolationResult {
  readonly issues: ConfigIssue[] = [];
  readonly files: string[] = [];
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #cwd: string;

  constructor(env: Readonly<Record<string, string | undefined>>, cwd: string) {
    this.#env = env;
    this.#cwd = cwd;
  }

  async visit(node: ConfigNode, key: string): Promise<void> {
    if (node.kind === 'scalar') await this.#fill(node);
    else if (node.kind === 'list') for (const item of node.items) await this.visit(item, key);
    else for (const [name, entry] of node.entries) await this.visit(entry.value, name);
  }

  async #fill(node: ScalarNode): Promise<void> {
    const text = node.value;
    if (node.literal || typeof text !== 'string' || !text.includes('$')) return;
    const whole = /^\$(?!\$|\{)([A-Za-z_][\w+.-]*)(?::([\s\S]*))?$/.exec(text);
    const value =
      whole === null ? await this.#fillText(node, text) : await this.#resolveWhole(node, whole[1] as string, whole[2]);
    if (value === undefined) return;
    if (value !== text) {
      // `$$` alone is spelling, not a value from elsewhere.
      const resolved = text.replaceAll('$$', '').includes('$');
      if (resolved) node.placeholder = text;
      node.coercible ||= resolved && whole !== null;
    }
    node.value = value;
  }

  async #resolveWhole(node: ScalarNode, name: string, rest: string | undefined): Promise<string | undefined> {
    if (rest === undefined) {
      if (!NAME.test(name)) return node.value as string;
      return this.#variable(node, name, `$${name}`);
    }
    if (name === 'file') return this.#file(node, rest);
    return this.#fail(
      node,
      `no plugin resolves $${name}: references; known are $NAME and $file:PATH ($$ is a plain $)`,
    );
  }

  async #fillText(node: ScalarNode, text: string): Promise<string | undefined> {
    let out = '';
    let at = 0;
    while (at < text.length) {
      const dollar = text.indexOf('$', at);
      if (dollar < 0) return out + text.slice(at);
      out += text.slice(at, dollar);
      const next = text[dollar + 1];
      if (next === '$') {
        out += '$';
        at = dollar + 2;
      } else if (next === '{') {
        const end = text.indexOf('}', dollar);
        const body = text.slice(dollar + 2, end);
        if (end < 0) return this.#fail(node, `a \${ has no } ($$ is a plain $)`);
        if (body.includes('${')) return this.#fail(node, 'placeholders cannot stand inside each other');
        const value = await this.#resolveBraced(node, body);
        if (value === undefined) return undefined;
        out += value;
        at = end + 1;
      } else {
        out += '$';
        at = dollar + 1;
      }
    }
    return out;
  }

  async #resolveBraced(node: ScalarNode, body: string): Promise<string | undefined> {
    if (body.startsWith('file:')) return this.#file(node, body.slice('file:'.length));
    const match = /^([A-Za-z_][A-Za-z0-9_]*)(?::([-?])([\s\S]*))?$/.exec(body);
    if (match === null) return this.#fail(node, `\${…} takes NAME, NAME:-default, NAME:?message or file:path`);
    const [, name, operator, argument] = match;
    if (operator === undefined) return this.#variable(node, name as string, `\${${name}}`);
    const value = this.#env[name as string];
    if (value !== undefined && value !== '') return value;
    if (operator === '-') return argument;
    return this.#fail(node, argument === '' ? `the environment variable ${name} is not set` : (argument as string));
  }

  #variable(node: ScalarNode, name: string, written: string): string | undefined {
    const value = this.#env[name];
    if (value === undefined) return this.#fail(node, `${written}: the environment variable ${name} is not set`);
    return value;
  }

  async #file(node: ScalarNode, reference: string): Promise<string | undefined> {
    const from = node.origin.file === undefined ? this.#cwd : dirname(node.origin.file);
    const path = resolve(from, reference.trim());
    this.files.push(path);
    node.hidden = true;
    try {
      const bytes = await readFile(path);
      if (bytes.length > MAX_REFERENCED_BYTES) return this.#fail(node, `${reference} is larger than 1 MiB`);
      return bytes.toString('utf8').replace(/\r?\n$/, '');
    } catch (error) {
      return this.#fail(node, `cannot read ${reference}: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`);
    }
  }

  #fail(node: ScalarNode, message: string): undefined {
    this.issues.push({ origin: node.origin, path: formatPath(node.path), message });
    return undefined;
  }
}

/** Texts that no message may show: values of secret keys, and those that are hidden for another reason. */
export function collectSecrets(root: ConfigNode): ReadonlySet<string> {
  const secrets = new Set<string>();
  const visit = (node: ConfigNode, secretAbove: boolean): void => {
    if (node.kind === 'list') for (const item of node.items) visit(item, secretAbove);
    else if (node.kind === 'map') {
      for (const [key, entry] of node.entries) visit(entry.value, isSecretKey(key));
    } else if ((secretAbove || node.hidden) && node.value !== null && String(node.value).length >= 4) {
      secrets.add(String(node.value));
    }
  };
  visit(root, false);
  return secrets;
}
