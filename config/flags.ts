import { nodeOf, type Origin } from './config-node.js';
import { didYouMean } from './did-you-mean.js';
import { type Assignment, valueNode } from './env-overlay.js';
import type { FlagSpec } from './flag-spec.js';
import { FLAGS } from './flag-table.js';
import { CLOUD_BACKENDS, FlagValueError } from './flag-values.js';
import { redactUrls } from './secret.js';

/** What a command line says. */
export interface ParsedFlags {
  /** Values for the loader, to be applied over the file. Empty of sense when there are errors. */
  readonly patch: readonly Assignment[];
  /** `-c`, `--config`. */
  readonly file: string | undefined;
  /** Set of defaults that an SMG command line implies when there is no file. */
  readonly defaults: 'smg';
  readonly help: boolean;
  /** What is wrong, one line each, without values of secrets. Exit code 2. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  /** Flags that change nothing here: errors beside a file, warnings without one. */
  readonly unused: readonly string[];
}

/**
 * Parses the flags of `smg [run|launch|start]`: long names, `--flag value` and `--flag=value`, lists up to the next
 * flag, repetition, negative numbers. `env` stands in for absent flags that have a variable. Reports every problem,
 * throws nothing.
 */
export function parseFlags(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): ParsedFlags {
  return new FlagParser(argv, env).parse();
}

const BY_NAME = new Map<string, FlagSpec>(
  FLAGS.flatMap((spec) => [spec.name, ...(spec.aliases ?? [])].map((name) => [name, spec] as const)),
);
const OWN_NAMES = ['--config', '--help'];
const NEGATIVE_NUMBER = /^-\d+(?:\.\d+)?$/;

/** Values given to one flag, over all its occurrences. */
interface Occurrences {
  readonly spec: FlagSpec;
  /** The spelling that was used. */
  readonly name: string;
  readonly values: string[];
  count: number;
}

class FlagParser {
  readonly #argv: readonly string[];
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #seen = new Map<FlagSpec, Occurrences>();
  readonly #errors: string[] = [];
  readonly #warnings: string[] = [];
  #file: string | undefined = undefined;
  #help = false;
  #at = 0;

  constructor(argv: readonly string[], env: Readonly<Record<string, string | undefined>>) {
    this.#argv = argv;
    this.#env = env;
  }

  parse(): ParsedFlags {
    while (this.#at < this.#argv.length) this.#token(this.#argv[this.#at++] as string);
    this.#readEnvironment();
    const patch: Assignment[] = [];
    // What switches a block off comes last: it wins over the block's numbers.
    const seen = [...this.#seen.values()].sort((a, b) => Number(isOff(a.spec)) - Number(isOff(b.spec)));
    for (const occurrences of seen) patch.push(...this.#assignments(occurrences));
    this.#checkPairs();
    const { used, unused } = this.#splitUnused(patch);
    return {
      patch: used,
      file: this.#file,
      defaults: 'smg',
      help: this.#help,
      errors: this.#errors,
      warnings: this.#warnings,
      unused,
    };
  }

  #token(token: string): void {
    if (token === '-h' || token === '--help') {
      this.#help = true;
      return;
    }
    if (token === '--' || !token.startsWith('-')) {
      if (token !== '--') this.#errors.push(`unexpected argument "${redactUrls(token.slice(0, 60))}"`);
      return;
    }
    const equals = token.startsWith('--') ? token.indexOf('=') : -1;
    const name = equals < 0 ? token : token.slice(0, equals);
    const inline = equals < 0 ? undefined : token.slice(equals + 1);
    if (name === '-c' || name === '--config') {
      this.#configFile(name, inline);
      return;
    }
    const spec = BY_NAME.get(name);
    if (spec !== undefined) this.#flag(spec, name, inline);
    else {
      this.#errors.push(`unknown flag ${name.slice(0, 60)}${didYouMean(name, [...BY_NAME.keys(), ...OWN_NAMES])}`);
      // Its value, if any, is not worth a second message.
      while (this.#nextIsValue()) this.#at++;
    }
  }

  #readEnvironment(): void {
    for (const spec of FLAGS) {
      if (spec.env === undefined || this.#seen.has(spec)) continue;
      const values = (this.#env[spec.env] ?? '').split(/\r?\n/).filter((line) => line.trim() !== '');
      if (values.length > 0) this.#seen.set(spec, { spec, name: spec.env, values, count: 1 });
    }
  }

  #nextIsValue(): boolean {
    const next = this.#argv[this.#at];
    return next !== undefined && (!next.startsWith('-') || NEGATIVE_NUMBER.test(next) || next === '-');
  }

  #configFile(name: string, inline: string | undefined): void {
    const value = inline ?? (this.#nextIsValue() ? this.#argv[this.#at++] : undefined);
    if (value === undefined || value === '') this.#errors.push(`${name} needs the name of a file`);
    else if (this.#file !== undefined) this.#errors.push(`${name} cannot be used multiple times`);
    else this.#file = value;
  }

  #flag(spec: FlagSpec, name: string, inline: string | undefined): void {
    const occurrences = this.#seen.get(spec) ?? { spec, name, values: [], count: 0 };
    this.#seen.set(spec, occurrences);
    occurrences.count++;
    if (spec.takes === 'none') {
      if (inline !== undefined) this.#errors.push(`${name} takes no value`);
      return;
    }
    if (inline !== undefined) occurrences.values.push(inline);
    else if (spec.takes === 'one') {
      if (this.#nextIsValue()) occurrences.values.push(this.#argv[this.#at++] as string);
      else this.#errors.push(`${name} needs a value`);
      return;
    }
    if (spec.takes === 'one') return;
    const before = occurrences.values.length;
    while (this.#nextIsValue()) occurrences.values.push(this.#argv[this.#at++] as string);
    if (spec.takes === 'repeat' && occurrences.values.length === before && inline === undefined) {
      this.#errors.push(`${name} needs a value`);
    }
  }

  #assignments({ spec, name, values, count }: Occurrences): Assignment[] {
    if (spec.status === 'planned') this.#errors.push(`${name}: ${spec.help} is not built yet`);
    if (spec.status === 'removed') this.#errors.push(`${name}: ${spec.help}`);
    if (count > 1 && spec.takes === 'one') this.#errors.push(`${name} cannot be used multiple times`);
    if (spec.status !== 'built') return [];
    if (spec.secret === true && name.startsWith('--')) {
      this.#warnings.push(`${name}: every process of this machine can read it; better a file with $NAME or $file:`);
    }
    const source = name.startsWith('--') ? 'flag' : 'env';
    const origin: Origin = { source, label: name, file: undefined, line: 0, column: 0 };
    if (spec.name === '--set') return values.flatMap((value) => this.#set(value, origin));
    if (spec.name === '--model-alias') return values.flatMap((value) => this.#alias(value, origin));
    const path = spec.path ?? [];
    if (spec.takes === 'none') return [{ path, node: nodeOf(spec.constant, path, origin) }];
    try {
      const transformed = values.map((value) => (spec.transform === undefined ? value : spec.transform(value)));
      if (transformed.length === 0 && spec.takes === 'one') return [];
      const value = spec.takes === 'one' ? transformed[0] : transformed;
      // It only chooses what other flags say.
      if (spec.path === undefined) return [];
      if (spec.name === '--cors-allowed-origins' && transformed.length === 0) return [];
      if (spec.name === '--backend') return backendAssignments(String(value), origin);
      return [{ path, node: nodeOf(value, path, origin, { literal: spec.interpolated !== true }) }];
    } catch (error) {
      if (!(error instanceof FlagValueError)) throw error;
      this.#errors.push(`${name}: ${error.message}`);
      return [];
    }
  }

  #set(text: string, origin: Origin): Assignment[] {
    const equals = text.indexOf('=');
    const path = text.slice(0, Math.max(0, equals)).split('.');
    if (equals <= 0 || path.some((step) => step === '')) {
      this.#errors.push('--set takes PATH=VALUE, like --set telemetry.logs.level=debug');
      return [];
    }
    return [{ path, node: valueNode(text.slice(equals + 1), path, origin, false) }];
  }

  #alias(text: string, origin: Origin): Assignment[] {
    const equals = text.indexOf('=');
    const alias = text.slice(0, Math.max(0, equals)).trim();
    const model = text.slice(equals + 1).trim();
    if (equals < 0 || alias === '' || model === '' || alias === model) {
      this.#errors.push(`--model-alias: "${text}" is not ALIAS=MODEL with two different names`);
      return [];
    }
    const path = ['models', 'aliases', alias];
    return [{ path, node: nodeOf(model, path, origin, { literal: true }) }];
  }

  #has(name: string): boolean {
    const spec = BY_NAME.get(name);
    return spec !== undefined && this.#seen.has(spec);
  }

  #checkPairs(): void {
    for (const [one, other] of [
      ['--tls-cert-path', '--tls-key-path'],
      ['--tls-key-path', '--tls-cert-path'],
      ['--client-cert-path', '--client-key-path'],
      ['--client-key-path', '--client-cert-path'],
      ['--discovery-provider', '--discovery-file'],
      ['--discovery-check-interval-secs', '--discovery-file'],
    ] as const) {
      if (this.#has(one) && !this.#has(other)) this.#errors.push(`${one} needs ${other}`);
    }
  }

  /** A cloud API whose address is known needs no worker URL. */
  #namesCloud(): boolean {
    const backend = BY_NAME.get('--backend');
    const value = backend === undefined ? undefined : this.#seen.get(backend)?.values[0];
    return value !== undefined && value !== 'openai' && CLOUD_BACKENDS.includes(value);
  }

  /** Settings of the cluster `cli` mean nothing without its workers. The client key is sent to them as well, as SMG does. */
  #splitUnused(patch: readonly Assignment[]): { used: Assignment[]; unused: string[] } {
    const ofCluster = (assignment: Assignment): boolean =>
      assignment.path[0] === 'clusters' && assignment.path[1] === 'cli' && assignment.node.origin.label !== '--set';
    if (!this.#has('--worker-urls') && !this.#has('--discovery-file') && !this.#namesCloud()) {
      const unused = patch.filter(ofCluster).map(({ node }) => node.origin.label);
      return {
        used: patch.filter((assignment) => !ofCluster(assignment)),
        unused: unused.map((name) => `${name} has no effect without --worker-urls`),
      };
    }
    const key = patch.find(({ node }) => node.origin.label === '--api-key');
    if (key === undefined) return { used: [...patch], unused: [] };
    this.#warnings.push('--api-key: the key of the clients is sent to the workers too, as SMG does');
    return { used: [...patch, { path: ['clusters', 'cli', 'api_key'], node: key.node }], unused: [] };
  }
}

/** Engines are found out. `openai` stands for any cloud API, of which the address of the worker tells which. */
function backendAssignments(backend: string, origin: Origin): Assignment[] {
  if (!CLOUD_BACKENDS.includes(backend)) return [];
  const [key, value] = backend === 'openai' ? ['runtime', 'external'] : ['provider', backend];
  const path = ['clusters', 'cli', key as string];
  return [{ path, node: nodeOf(value, path, origin) }];
}

function isOff(spec: FlagSpec): boolean {
  return spec.constant === 'off';
}
