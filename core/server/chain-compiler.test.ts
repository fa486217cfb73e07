import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { FilterConfig } from '../../config/gateway.js';
import type { FilterDefinition } from '../api/define.js';
import { GatewayError } from '../api/errors.js';
import {
  type BodyData,
  FilterDataStatus,
  type FilterFactoryCb,
  FilterHeadersStatus,
  FilterTrailersStatus,
  type StreamFilter,
  type StreamFilterCallbacks,
} from '../api/filter.js';
import { RequestHeaders, ResponseHeaders } from '../api/headers.js';
import type { InferenceRequest } from '../api/inference.js';
import { type RequestMatch, RequestTest } from '../api/request-match.js';
import { StreamInfo } from '../api/stream-info.js';
import type { ChainSegment } from '../http/filter-chain.js';
import { FilterManager } from '../http/filter-manager.js';
import { RecordedResponse, RecordingTerminal } from '../testing/filter-harness.js';
import { SingleNest } from '../testing/single-nest.js';
import { type BuiltFilter, type BuiltRoute, compileChains } from './chain-compiler.js';

/** What one request through one chain did. */
class Trace {
  readonly lines: string[] = [];
  readonly terminals: RecordingTerminal[] = [];
  readonly later: (() => void)[] = [];
}

/** Facts of the one request that the tests send. */
interface Request {
  readonly model: string;
  readonly stream: boolean;
  readonly tier: string;
  readonly route: string;
}

/** Notes every call, and stops on the way down as its script says. */
class Witness implements StreamFilter {
  readonly #name: string;
  readonly #callbacks: StreamFilterCallbacks;
  readonly #trace: Trace;
  readonly #script: number[];

  constructor(name: string, callbacks: StreamFilterCallbacks, trace: Trace, script: readonly number[]) {
    this.#name = name;
    this.#callbacks = callbacks;
    this.#trace = trace;
    this.#script = [...script];
  }

  #note(what: string): void {
    this.#trace.lines.push(`${this.#name} ${what}`);
  }

  #stops(): boolean {
    const stops = (this.#script.shift() ?? 0) > 2;
    if (stops) this.#trace.later.push(() => this.#callbacks.continueDecoding());
    return stops;
  }

  decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    this.#note('decodeHeaders');
    headers.append('x-seen', this.#name);
    return this.#stops() ? FilterHeadersStatus.StopAllIterationAndWatermark : FilterHeadersStatus.Continue;
  }

  decodeData(data: BodyData): FilterDataStatus {
    this.#note(`decodeData ${data.bytes}`);
    return FilterDataStatus.Continue;
  }

  decodeRequest(request: InferenceRequest): FilterTrailersStatus {
    this.#note(`decodeRequest ${request.model}`);
    return this.#stops() ? FilterTrailersStatus.StopIteration : FilterTrailersStatus.Continue;
  }

  encodeHeaders(headers: ResponseHeaders): FilterHeadersStatus {
    this.#note(`encodeHeaders ${headers.status}`);
    headers.append('x-passed', this.#name);
    return FilterHeadersStatus.Continue;
  }

  encodeData(data: BodyData): FilterDataStatus {
    this.#note(`encodeData ${data.bytes}`);
    return FilterDataStatus.Continue;
  }

  onStreamComplete(): void {
    this.#note('onStreamComplete');
  }

  onDestroy(): void {
    this.#note('onDestroy');
  }
}

/** Takes the body away and hands a request on, as `inference` does. */
class Reader implements StreamFilter {
  readonly #callbacks: StreamFilterCallbacks;
  readonly #request: InferenceRequest;

  constructor(callbacks: StreamFilterCallbacks, { model, stream }: Request) {
    this.#callbacks = callbacks;
    const request = { model, stream, fork: () => ({ ...request }) };
    this.#request = request as unknown as InferenceRequest;
  }

  decodeHeaders(): FilterHeadersStatus {
    return FilterHeadersStatus.StopIteration;
  }

  decodeData(_data: BodyData, endStream: boolean): FilterDataStatus {
    if (endStream) {
      this.#callbacks.streamInfo.inference = this.#request;
      this.#callbacks.continueWithRequest(this.#request);
    }
    return FilterDataStatus.StopIterationNoBuffer;
  }
}

type Part =
  | { readonly kind: 'witness'; readonly script: readonly number[]; readonly match?: RequestMatch | undefined }
  | { readonly kind: 'reader' | 'finder' | 'nest' | 'refuser' };

/** A filter of the chain that runs on one trace. */
type Make = (trace: Trace, request: Request) => BuiltFilter;

function part(name: string, { kind, ...rest }: Part): Make {
  return (trace, request) => {
    const factories: Record<Part['kind'], FilterFactoryCb> = {
      witness: (callbacks) => new Witness(name, callbacks, trace, 'script' in rest ? rest.script : []),
      reader: (callbacks) => new Reader(callbacks, request),
      nest: (callbacks) => new SingleNest(callbacks, true),
      finder: ({ streamInfo }) => ({
        decodeHeaders: () => {
          streamInfo.route = request.route;
          return FilterHeadersStatus.Continue;
        },
      }),
      refuser: (callbacks) => ({
        decodeHeaders: () => {
          callbacks.sendLocalReply(new GatewayError('rate_limited', 'No'));
          return FilterHeadersStatus.StopIteration;
        },
      }),
    };
    return {
      config: { name, type: name, match: 'match' in rest ? rest.match : undefined } as FilterConfig,
      definition: {
        nesting: kind === 'nest',
        provides: kind === 'finder' ? ['route'] : [],
      } as unknown as FilterDefinition,
      factory: factories[kind],
    };
  };
}

const terminal: Make = (trace) => ({
  config: { name: 'terminal', type: 'terminal' } as FilterConfig,
  definition: { terminal: true } as unknown as FilterDefinition,
  factory: (callbacks) => {
    const end = new RecordingTerminal(callbacks);
    trace.terminals.push(end);
    return end;
  },
});

function factsOf(request: Request): [StreamInfo, RequestHeaders] {
  const info = new StreamInfo('HTTP/1.1', '127.0.0.1', 'main', 'POST', '/v1/chat/completions', 0);
  return [info, new RequestHeaders('POST', info.path, 'gw', 'http', ['x-tier', request.tier])];
}

/** Sends the request through the chain, answers it, and gives everything that was seen. */
function run(request: Request, trace: Trace, chain: ChainSegment, order: readonly number[] = []): unknown {
  const [info, headers] = factsOf(request);
  const response = new RecordedResponse();
  const exceptions: unknown[] = [];
  const options = { bufferLimitBytes: 1024, onFilterException: (error: unknown) => void exceptions.push(error) };
  const manager = new FilterManager(chain, options, info, response, undefined);
  let turn = 0;
  for (const step of [
    () => manager.decodeHeaders(headers, false),
    () => manager.decodeData(0, Buffer.from('one'), false),
    () => manager.decodeData(0, Buffer.from('two'), true),
  ]) {
    step();
    while (trace.later.length > 0 && (order[turn++ % order.length] ?? 0) > 2) trace.later.shift()?.();
  }
  while (trace.later.length > 0) trace.later.shift()?.();
  const end = trace.terminals.at(-1);
  if (response.headers === undefined && end !== undefined) {
    end.callbacks.encodeHeaders(new ResponseHeaders(200), false);
    end.callbacks.encodeData(Buffer.from('answer'), true);
  }
  assert.deepEqual(exceptions, []);
  assert.equal(response.ends, 1);
  assert.equal(response.runEnded, true);
  return {
    lines: trace.lines,
    ends: trace.terminals.map(({ headers: head, request: reached, body }) => [head?.flat, reached?.model, body]),
    response: [response.headers?.status, response.headers?.flat, response.body],
  };
}

/** Runs a request through the chain of these parts, with what routes change in it. */
function runChain(
  request: Request,
  parts: readonly Make[],
  order: readonly number[],
  routes: ReadonlyMap<string, ReadonlyMap<string, Make | undefined>> = new Map(),
): unknown {
  const trace = new Trace();
  const built = (make: Make | undefined): BuiltFilter | undefined => make?.(trace, request);
  const changed: BuiltRoute[] = [...routes].map(([name, changes]) => ({
    name,
    changes: new Map([...changes].map(([filter, make]) => [filter, built(make)])),
  }));
  const filters = [...parts, terminal].map((make) => make(trace, request));
  return run(request, trace, compileChains(filters, changed).chain, order);
}

const requests: fc.Arbitrary<Request> = fc.record({
  model: fc.constantFrom('a', 'b'),
  stream: fc.boolean(),
  tier: fc.constantFrom('x', 'y'),
  route: fc.constantFrom('r1', 'r2', 'r3'),
});
const early = fc.constantFrom<RequestMatch>({ paths: ['/v1/*'] }, { paths: ['/other'] }, { methods: ['!POST'] });
const byHead = fc.constantFrom<RequestMatch>(
  { headers: { 'x-tier': 'x' } },
  { headers: { 'x-tier': '!x' }, paths: ['/v1/*'] },
  { any: [{ headers: { 'x-tier': 'y' } }, { methods: ['GET'] }] },
);
const byBody = fc.constantFrom<RequestMatch>(
  { models: ['a'] },
  { streaming: true },
  { models: ['!a'], streaming: false },
);
const script = fc.array(fc.nat(5), { maxLength: 3 });
const schedule = fc.array(fc.nat(5), { minLength: 1, maxLength: 20 });

function witnesses(match: fc.Arbitrary<RequestMatch>, maxLength = 3): fc.Arbitrary<Part[]> {
  const optional = fc.option(match, { nil: undefined });
  return fc.array(fc.record({ kind: fc.constant('witness' as const), script, match: optional }), { maxLength });
}

describe('filters with a match', () => {
  const above = witnesses(fc.oneof(early, byHead));
  const below = witnesses(fc.oneof(early, byHead, byBody));
  const refuserAt = fc.option(fc.nat(12), { nil: undefined });

  it('make the chain the one without those that do not take the request', () => {
    fc.assert(
      fc.property(
        requests,
        above,
        below,
        below,
        fc.boolean(),
        refuserAt,
        schedule,
        (request, a, b, c, nests, at, order) => {
          const parts: Part[] = [...a, { kind: 'reader' }, ...b, ...(nests ? [{ kind: 'nest' } as const] : []), ...c];
          const refuses = at !== undefined && at <= parts.length;
          if (refuses) parts.splice(at, 0, { kind: 'refuser' });
          const [info, headers] = factsOf(request);
          const body = { model: request.model, stream: request.stream } as InferenceRequest;
          const left = parts.map((each, index): Part | undefined => {
            if (each.kind !== 'witness' || each.match === undefined) return each;
            const test = new RequestTest(each.match);
            const reached = !refuses || index < at;
            const taken = reached ? test.takes(info, headers, body) : test.late === undefined && test.early?.(info);
            return taken === true ? { ...each, match: undefined } : undefined;
          });
          const named = (list: readonly (Part | undefined)[]): Make[] =>
            list.flatMap((each, index) => (each === undefined ? [] : [part(`f${index}`, each)]));
          assert.deepEqual(runChain(request, named(parts), order), runChain(request, named(left), order));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('are asked when the head comes to them, with what the filters above made of it', () => {
    const trace = new Trace();
    const request: Request = { model: 'a', stream: false, tier: 'x', route: 'r1' };
    const rewrite: BuiltFilter = {
      ...part('rewrite', { kind: 'witness', script: [] })(trace, request),
      factory: () => ({
        decodeHeaders: (headers: RequestHeaders) => {
          headers.set('x-tier', 'y');
          return FilterHeadersStatus.Continue;
        },
      }),
    };
    const witness = (name: string, tier: string): BuiltFilter =>
      part(name, { kind: 'witness', script: [], match: { headers: { 'x-tier': tier } } })(trace, request);
    const reader = part('reader', { kind: 'reader' })(trace, request);
    const filters = [
      witness('before', 'x'),
      rewrite,
      witness('x', 'x'),
      reader,
      witness('y', 'y'),
      terminal(trace, request),
    ];
    run(request, trace, compileChains(filters, []).chain);
    assert.deepEqual(
      trace.lines.filter((line) => line.endsWith('decodeHeaders')),
      ['before decodeHeaders', 'y decodeHeaders'],
    );
  });
});

describe('changes of a route', () => {
  const plain = witnesses(fc.oneof(byHead, byBody), 2);
  const change = fc.constantFrom('keep', 'off', 'own');

  it('make the chain the one that is written out for it', () => {
    fc.assert(
      fc.property(
        requests,
        fc.tuple(plain, plain, plain, plain),
        fc.array(fc.tuple(change, change), { minLength: 12, maxLength: 12 }),
        fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
        schedule,
        (request, [a, b, c, d], changes, [nestsAbove, refuses, nestsBelow], order) => {
          const head: Part[] = [...a.map((each) => ({ ...each, match: undefined })), { kind: 'reader' }];
          if (nestsAbove) head.push({ kind: 'nest' });
          const shared = [...head, ...b, { kind: 'finder' } as const];
          const tail: Part[] = [...c, ...(nestsBelow ? [{ kind: 'nest' } as const] : []), ...d];
          if (refuses) tail.push({ kind: 'refuser' });
          const name = (index: number): string => `f${shared.length + index}`;
          const own = (each: Part): Part => (each.kind === 'witness' ? { ...each, script: [5, 5, 0] } : each);
          const changesOf = (route: 0 | 1): Map<string, Make | undefined> => {
            const made = new Map<string, Make | undefined>();
            tail.forEach((each, index) => {
              const what = changes[index]?.[route];
              if (what === 'off') made.set(name(index), undefined);
              if (what === 'own') made.set(name(index), part(name(index), own(each)));
            });
            return made;
          };
          const routes = new Map([
            ['r1', changesOf(0)],
            ['r2', changesOf(1)],
          ]);
          const make = (list: readonly Part[], from: number): Make[] =>
            list.map((each, index) => part(`f${from + index}`, each));
          const base = [...make(shared, 0), ...make(tail, shared.length)];
          const changed = routes.get(request.route);
          const writtenOut = base.flatMap((each, index) => {
            const at = `f${index}`;
            return changed?.has(at) === true ? (changed.get(at) ?? []) : [each];
          });
          assert.deepEqual(runChain(request, base, order, routes), runChain(request, writtenOut, order));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('are not made for a request that is answered before its route is known', () => {
    const request: Request = { model: 'a', stream: false, tier: 'x', route: 'r1' };
    const parts = [
      part('refuser', { kind: 'refuser' }),
      part('reader', { kind: 'reader' }),
      part('finder', { kind: 'finder' }),
      part('below', { kind: 'witness', script: [] }),
    ];
    const routes = new Map([['r1', new Map([['below', undefined]])]]);
    const { lines, response } = runChain(request, parts, [], routes) as { lines: string[]; response: unknown[] };
    assert.deepEqual(lines, []);
    assert.equal(response[0], 429);
  });
});
