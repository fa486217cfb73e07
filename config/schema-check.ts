import type * as z from 'zod';
import type { ConfigIssue } from './config-errors.js';
import { type ConfigNode, formatPath, type Located, locate, toPlain } from './config-node.js';
import { didYouMean } from './did-you-mean.js';
import { isPlannedKey } from './not-built.js';
import { keysAt, metaAt } from './schema-walk.js';
import { isSecretKey } from './secret.js';

/** What one schema said about one node. */
export type CheckResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly issues: ConfigIssue[] };

/** The fields of zod's issues that messages are made of. */
interface SchemaIssue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly expected?: string;
  readonly values?: readonly unknown[];
  readonly keys?: readonly string[];
  readonly errors?: readonly (readonly SchemaIssue[])[];
  readonly origin?: string;
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
  readonly inclusive?: boolean;
  readonly params?: Readonly<Record<string, unknown>>;
}

/**
 * Parses a node with a schema. Texts from placeholders, flags and the environment are turned into the numbers and
 * booleans that the schema asks for (in the node, so that it stays the truth). Issues carry the place of each value.
 */
export function checkNode<T>(schema: z.ZodType<T>, node: ConfigNode): CheckResult<T> {
  for (let round = 0; ; round++) {
    const result = schema.safeParse(toPlain(node));
    if (result.success) return { ok: true, value: result.data };
    const issues = flatten(result.error.issues as unknown as SchemaIssue[]);
    const coerced = round < 8 && issues.filter((issue) => coerce(node, issue)).length > 0;
    if (!coerced) return { ok: false, issues: issues.flatMap((issue) => describe(schema, node, issue)) };
  }
}

/** Marks the values that a schema calls secret (`.meta({ 'x-secret': true })`), whatever their keys are named. */
export function hideSecrets(schema: z.ZodType, node: ConfigNode, path: readonly (string | number)[] = []): void {
  if (node.kind === 'scalar') node.hidden ||= metaAt(schema, path, 'x-secret') === true;
  else if (node.kind === 'list')
    node.items.forEach((item, index) => {
      hideSecrets(schema, item, [...path, index]);
    });
  else for (const [key, { value }] of node.entries) hideSecrets(schema, value, [...path, key]);
}

/** Replaces each union failure by the failures of the member that came nearest. */
function flatten(issues: readonly SchemaIssue[], prefix: readonly PropertyKey[] = []): SchemaIssue[] {
  return issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path];
    if (issue.code !== 'invalid_union' || issue.errors === undefined) return [{ ...issue, path }];
    const members = issue.errors.map((errors) => flatten(errors, path));
    const near = members.filter(
      (member) => !member.some((each) => each.path.length === path.length && isMismatch(each)),
    );
    const best = near.sort((a, b) => a.length - b.length)[0];
    return best ?? [{ ...issue, path, errors: members }];
  });
}

function isMismatch(issue: SchemaIssue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_value' || issue.code === 'invalid_union';
}

function coerce(root: ConfigNode, issue: SchemaIssue): boolean {
  if (issue.code === 'invalid_union') return (issue.errors ?? []).flat().some((each) => coerce(root, each));
  const { node, exact } = locate(root, issue.path as (string | number)[]);
  if (!exact || node.kind !== 'scalar' || !node.coercible || typeof node.value !== 'string') return false;
  const text = node.value.trim();
  const wanted = issue.code === 'invalid_type' ? [issue.expected] : (issue.values ?? []).map((value) => typeof value);
  if (wanted.some((type) => type === 'number' || type === 'int') && text !== '' && Number.isFinite(Number(text))) {
    node.value = Number(text);
    return true;
  }
  if (wanted.includes('boolean') && (text === 'true' || text === 'false')) {
    node.value = text === 'true';
    return true;
  }
  return false;
}

const TYPE_NAMES: Record<string, string> = {
  object: 'a map',
  record: 'a map',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

function typeName(type: string | undefined): string {
  return TYPE_NAMES[type ?? ''] ?? String(type);
}

/** Stands for values that may be secret. */
const HIDDEN = 'the value';

function kindOf({ node }: Located): string {
  return typeName(node.kind === 'scalar' ? typeof node.value : node.kind);
}

/** What stands there, for people: never a secret, and the placeholder instead of what it stands for. */
export function describeValue(located: Located): string {
  const { node, key } = located;
  if (node.kind !== 'scalar') return node.kind === 'map' ? 'a map' : 'a list';
  if (node.placeholder !== undefined) return `the value of ${node.placeholder.slice(0, 80)}`;
  if (node.hidden || isSecretKey(key) || String(node.value).includes('@')) return HIDDEN;
  if (node.value === null) return 'nothing';
  const text = JSON.stringify(node.value);
  return text.length > 80 ? `${text.slice(0, 76)}…"` : text;
}

function describe(schema: z.ZodType, root: ConfigNode, issue: SchemaIssue): ConfigIssue[] {
  const path = issue.path as (string | number)[];
  const located = locate(root, path);
  if (issue.code === 'unrecognized_keys') {
    return (issue.keys ?? []).map((key) => describeUnknownKey(schema, located, path, key));
  }
  const unit = issue.expected === 'string' ? metaAt(schema, path, 'x-unit') : undefined;
  const message = located.exact ? (missingUnit(unit, located) ?? messageFor(issue, located)) : 'is required';
  return [{ origin: located.node.origin, path: formatPath(located.path), message }];
}

const UNIT_EXAMPLES: Record<string, string> = { duration: '30s', bytes: '64KiB', rate: '600/min' };

function missingUnit(unit: unknown, located: Located): string | undefined {
  const example = UNIT_EXAMPLES[String(unit)];
  if (example === undefined || located.node.kind !== 'scalar' || typeof located.node.value !== 'number')
    return undefined;
  return `${describeValue(located)} needs a unit, like ${example}`;
}

function describeUnknownKey(
  schema: z.ZodType,
  parent: Located,
  path: readonly (string | number)[],
  key: string,
): ConfigIssue {
  const entry = parent.node.kind === 'map' ? parent.node.entries.get(key) : undefined;
  const written = entry?.value.path ?? [...parent.path, key];
  const message =
    isPlannedKey(written) || isPlannedKey([...path, key])
      ? 'is not built yet'
      : `unknown key${didYouMean(key, keysAt(schema, path))}`;
  return { origin: entry?.keyOrigin ?? parent.node.origin, path: formatPath(written), message };
}

function messageFor(issue: SchemaIssue, located: Located): string {
  const value = describeValue(located);
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'int' && typeof (located.node as { value?: unknown }).value === 'number'
        ? `${value} is not a whole number`
        : `must be ${typeName(issue.expected)}, not ${value === HIDDEN ? kindOf(located) : value}`;
    case 'invalid_value':
      return notOneOf(issue.values ?? [], located, value);
    case 'invalid_union':
      return `must be ${unionTypes(issue)}, not ${value}`;
    case 'too_small':
      return rangeMessage('at least', issue.minimum, issue, issue.inclusive === false ? 'more than' : undefined);
    case 'too_big':
      return rangeMessage('at most', issue.maximum, issue, issue.inclusive === false ? 'less than' : undefined);
    default:
      return issue.params?.showValue === true ? `${value} ${issue.message}` : issue.message;
  }
}

function notOneOf(values: readonly unknown[], located: Located, shown: string): string {
  const word = located.node.kind === 'scalar' ? String(located.node.value) : '';
  const hint = shown.startsWith('"') ? didYouMean(word, values.map(String)) : '';
  return values.length === 1
    ? `${shown} is not ${values[0]}${hint}`
    : `${shown} is not one of ${values.join(', ')}${hint}`;
}

function unionTypes(issue: SchemaIssue): string {
  const names = (issue.errors ?? []).flat().map((each) => {
    if (each.code === 'invalid_value') return (each.values ?? []).map(String).join(' or ');
    return each.code === 'invalid_union' ? unionTypes(each) : typeName(each.expected);
  });
  return [...new Set(names)].join(' or ');
}

function rangeMessage(
  words: string,
  bound: number | bigint | undefined,
  issue: SchemaIssue,
  strict: string | undefined,
): string {
  // A message of the schema's own says it better.
  if (!/^Too (?:small|big)/.test(issue.message)) return issue.message;
  const unit = issue.origin === 'string' ? ' characters long' : issue.origin === 'array' ? ' items long' : '';
  if (unit !== '' && bound === 1 && words === 'at least') return 'must not be empty';
  return `must be ${strict ?? words} ${bound}${unit}`;
}
