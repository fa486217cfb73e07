import * as z from 'zod';
import type { RequestHeaders } from './headers.js';
import type { InferenceRequest } from './inference.js';
import type { StreamInfo } from './stream-info.js';
import { compilePatterns, type TextTest } from './text-pattern.js';

const patterns = z.array(z.string().min(1)).min(1);

const conditionShape = {
  listeners: patterns.optional().describe('Names of listeners.'),
  paths: patterns.optional().describe('Request paths, without query.'),
  methods: patterns.optional().describe('HTTP methods.'),
  headers: z
    .record(z.string(), z.union([z.string(), patterns]))
    .optional()
    .describe('Header values, by name: all of the names. `"!*"`: the header is absent.'),
  tenants: patterns.optional().describe('Tenants of the keys of callers; known below the filter `auth`.'),
  models: patterns
    .optional()
    .describe('Model names; known below the filter `inference`, and below `model` after aliases.'),
  streaming: z.boolean().optional().describe('Whether the client asked for a stream; known below `inference`.'),
};

/**
 * Which requests something is for, as it is written under `match`. Every key must match; of a list one item is enough, `*`
 * stands for anything, `!` in front excludes.
 */
export const requestMatchSchema = z.strictObject({
  ...conditionShape,
  any: z
    .array(z.strictObject(conditionShape))
    .min(1)
    .optional()
    .describe('Alternatives, beside the other keys: one is enough.'),
});

export type RequestMatch = z.output<typeof requestMatchSchema>;
type Condition = Omit<RequestMatch, 'any'>;

/** What a filter above must provide (`provides` of its definition) before a key of a match can be answered. */
export const MATCH_NEEDS: Readonly<Partial<Record<keyof Condition, string>>> = {
  tenants: 'principal',
  models: 'inference_request',
  streaming: 'inference_request',
};

/** Answered by what is known when a stream begins. */
export type EarlyTest = (info: StreamInfo) => boolean;

/** Answered by what is known when the head of a request stands at a certain place of the chain. */
export type LateTest = (info: StreamInfo, headers: RequestHeaders, request: InferenceRequest | undefined) => boolean;

/** A compiled match, in two parts by when they can be answered; an absent part takes everything. */
export class RequestTest {
  /** `listeners`, `paths`, `methods`. */
  readonly early: EarlyTest | undefined;
  /** `headers`, `tenants`, `models`, `streaming`. */
  readonly late: LateTest | undefined;

  constructor({ any, ...condition }: RequestMatch) {
    const early = earlyTests(condition);
    const late = lateTests(condition);
    if (any !== undefined) {
      const choices = any.map((choice) => new RequestTest(choice));
      if (choices.every((choice) => choice.late === undefined)) {
        early.push((info) => choices.some((choice) => choice.early?.(info) ?? true));
      } else {
        late.push((info, headers, request) => choices.some((choice) => choice.takes(info, headers, request)));
      }
    }
    this.early = allOf(early);
    this.late = allOf(late);
  }

  /** `request` is undefined where the body has not been read: then it has no model and is no stream. */
  takes(info: StreamInfo, headers: RequestHeaders, request: InferenceRequest | undefined): boolean {
    return (this.early?.(info) ?? true) && (this.late?.(info, headers, request) ?? true);
  }
}

function earlyTests({ listeners, paths, methods }: Condition): EarlyTest[] {
  const tests: EarlyTest[] = [];
  if (listeners !== undefined) {
    const test = compilePatterns(listeners);
    tests.push((info) => test(info.listener));
  }
  if (methods !== undefined) {
    const test = compilePatterns(methods);
    tests.push((info) => test(info.method));
  }
  if (paths !== undefined) {
    const test = compilePatterns(paths);
    tests.push((info) => test(withoutQuery(info.path)));
  }
  return tests;
}

function lateTests({ headers: fields, tenants, models, streaming }: Condition): LateTest[] {
  const tests: LateTest[] = [];
  if (streaming !== undefined) tests.push((_info, _headers, request) => (request?.stream ?? false) === streaming);
  if (models !== undefined) {
    const test = compilePatterns(models);
    tests.push((_info, _headers, request) => test(request?.model ?? ''));
  }
  if (tenants !== undefined) {
    const test = optional(tenants);
    tests.push((info) => test(info.principal?.tenant));
  }
  for (const [name, value] of Object.entries(fields ?? {})) tests.push(headerTest(name.toLowerCase(), value));
  return tests;
}

/** Repeated fields: one included value is enough, and one excluded value is too much. */
function headerTest(name: string, value: string | readonly string[]): LateTest {
  const list = typeof value === 'string' ? [value] : value;
  const excluded = list.filter(isExclusion).map((pattern) => compilePatterns([pattern]));
  const included = list.filter((pattern) => !isExclusion(pattern));
  const test = included.length === 0 ? undefined : compilePatterns(included);
  return (_info, { flat }) => {
    let found = test === undefined;
    for (let i = 0; i < flat.length; i += 2) {
      if (flat[i] !== name) continue;
      const text = flat[i + 1] as string;
      for (const passes of excluded) if (!passes(text)) return false;
      found ||= test?.(text) === true;
    }
    return found;
  };
}

/** What is absent is no value at all: exclusions alone take it, `*` does not. */
function optional(list: readonly string[]): (text: string | undefined) => boolean {
  const test: TextTest = compilePatterns(list);
  const takesAbsent = list.every(isExclusion);
  return (text) => (text === undefined ? takesAbsent : test(text));
}

function isExclusion(pattern: string): boolean {
  return pattern.startsWith('!');
}

function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query === -1 ? path : path.slice(0, query);
}

/** One test that passes when all do; undefined for none. */
function allOf<Facts extends unknown[]>(
  tests: readonly ((...facts: Facts) => boolean)[],
): ((...facts: Facts) => boolean) | undefined {
  if (tests.length <= 1) return tests[0];
  return (...facts) => {
    for (const test of tests) if (!test(...facts)) return false;
    return true;
  };
}
