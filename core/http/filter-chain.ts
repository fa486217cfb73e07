import { BugError } from '../api/errors.js';
import type { FilterFactoryCb, StreamFilter } from '../api/filter.js';
import type { LateTest } from '../api/request-match.js';
import type { StreamInfo } from '../api/stream-info.js';

/** One entry of the chain, built: what the compiler needs to know of it. */
export interface ChainEntry {
  /** Unique in the chain; names it in stats and errors. */
  readonly name: string;
  readonly factory: FilterFactoryCb;
  readonly nesting: boolean;
  /**
   * Asked when the head of the request comes to this place: whether the filter is made at all. What the request never
   * reaches is not made. Absent: it is made when the run begins. Not for nesting and terminal filters.
   */
  readonly admits?: LateTest | undefined;
}

/** Where the chains of different routes part. */
export interface ChainFork {
  /** How many of the first entries they share; the last of these sets `streamInfo.route`. */
  readonly shared: number;
  /** Whole chains by name of the route. The others have the chain that is compiled beside them. */
  readonly routes: ReadonlyMap<string, readonly ChainEntry[]>;
}

/** Place of the next decision where there is none. */
export const ALL_DECIDED = 0x3fff_ffff;

/** Callbacks that are looked up per run, as bits of a presence mask. */
const CALLBACKS = [
  'decodeHeaders',
  'decodeData',
  'decodeTrailers',
  'decodeRequest',
  'encodeHeaders',
  'encodeData',
  'encodeEvent',
  'encodeDelta',
  'encodeTrailers',
  'onStreamComplete',
  'onDestroy',
] as const satisfies readonly (keyof StreamFilter)[];

/**
 * Which filters listen to what, as index lists in the order of the calls: decoders downwards, encoders upwards. Made
 * once per combination of filters that has occurred, then shared by all runs.
 */
export interface CallPlan {
  readonly decodeHeaders: readonly number[];
  readonly decodeData: readonly number[];
  readonly decodeTrailers: readonly number[];
  readonly decodeRequest: readonly number[];
  readonly encodeHeaders: readonly number[];
  /** Filters with `encodeData` or `encodeEvent`: who sees bytes. */
  readonly encodeBytes: readonly number[];
  readonly encodeDelta: readonly number[];
  readonly encodeTrailers: readonly number[];
  readonly onStreamComplete: readonly number[];
  readonly onDestroy: readonly number[];
  /** Whether somebody wants event streams split. */
  readonly wantsEvents: boolean;
}

const masksByPrototype = new WeakMap<object, number>();

function maskOf(filter: StreamFilter | undefined): number {
  if (filter === undefined) return 0;
  const prototype: object = Object.getPrototypeOf(filter);
  if (prototype === Object.prototype) return computeMask(filter);
  let mask = masksByPrototype.get(prototype);
  if (mask === undefined) {
    mask = computeMask(filter);
    masksByPrototype.set(prototype, mask);
  }
  return mask;
}

function computeMask(filter: StreamFilter): number {
  let mask = 0;
  for (let bit = 0; bit < CALLBACKS.length; bit++) {
    if (typeof filter[CALLBACKS[bit] as keyof StreamFilter] === 'function') mask |= 1 << bit;
  }
  return mask;
}

/** A plan with the prototypes of the filters that it was made for. */
interface ShapedPlan {
  readonly shape: readonly (object | null)[];
  readonly plan: CallPlan;
}

/** Shapes that a segment remembers: what is decided late makes a few of them in turn. */
const REMEMBERED_SHAPES = 8;

/** Chooses what a segment goes on as, see {@link ChainSegment.branch}. */
type Branch = (info: StreamInfo) => ChainSegment;

/**
 * A stretch of the chain that runs as one: from below one nesting filter down to the next one (which is its last
 * member) or to the terminal filter.
 */
export class ChainSegment {
  readonly entries: readonly ChainEntry[];
  /** What the last filter opens when it nests; undefined below the terminal filter. */
  readonly inner: ChainSegment | undefined;
  /**
   * Set where the chain parts below the last entry: gives the segment that takes the place of this one as soon as the head
   * has passed it. It begins with the same entries.
   */
  readonly branch: Branch | undefined;
  /** Place of the first decision, see {@link decisionFrom}. */
  readonly firstDecision: number;
  /** Nearly every run is like one of the last ones. */
  readonly #recent: ShapedPlan[] = [];
  #oldest = 0;
  readonly #plans = new Map<string, CallPlan>();

  constructor(entries: readonly ChainEntry[], inner: ChainSegment | undefined, branch?: Branch) {
    this.entries = entries;
    this.inner = inner;
    this.branch = branch;
    this.firstDecision = this.decisionFrom(0);
  }

  /**
   * First place, from `index` on, at which something is decided when the head comes there: the index of an entry that
   * `admits`, that behind the last entry for a branch, or ALL_DECIDED.
   */
  decisionFrom(index: number): number {
    for (let k = index; k < this.entries.length; k++) if (this.entries[k]?.admits !== undefined) return k;
    return this.branch === undefined ? ALL_DECIDED : this.entries.length;
  }

  /** The plan for these filters; `undefined` stands for a filter that left itself out. */
  planFor(filters: readonly (StreamFilter | undefined)[]): CallPlan {
    for (const recent of this.#recent) if (hasShape(filters, recent.shape)) return recent.plan;
    const masks = filters.map(maskOf);
    const key = masks.join();
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      plan = makePlan(masks);
      this.#plans.set(key, plan);
    }
    const shape = filters.map((filter) => (filter === undefined ? null : (Object.getPrototypeOf(filter) as object)));
    this.#recent[this.#oldest] = { shape, plan };
    this.#oldest = (this.#oldest + 1) % REMEMBERED_SHAPES;
    return plan;
  }
}

function hasShape(filters: readonly (StreamFilter | undefined)[], shape: readonly (object | null)[]): boolean {
  for (let i = 0; i < filters.length; i++) {
    const filter = filters[i];
    const prototype: object | null = filter === undefined ? null : Object.getPrototypeOf(filter);
    // Object literals share a prototype and may differ in what they have.
    if (prototype !== shape[i] || prototype === Object.prototype) return false;
  }
  return true;
}

function makePlan(masks: readonly number[]): CallPlan {
  const down = (...names: (typeof CALLBACKS)[number][]): number[] => {
    const wanted = names.reduce((bits, name) => bits | (1 << CALLBACKS.indexOf(name)), 0);
    return masks.flatMap((mask, index) => ((mask & wanted) === 0 ? [] : [index]));
  };
  const up = (...names: (typeof CALLBACKS)[number][]): number[] => down(...names).reverse();
  return {
    decodeHeaders: down('decodeHeaders'),
    decodeData: down('decodeData'),
    decodeTrailers: down('decodeTrailers'),
    decodeRequest: down('decodeRequest'),
    encodeHeaders: up('encodeHeaders'),
    encodeBytes: up('encodeData', 'encodeEvent'),
    encodeDelta: up('encodeDelta'),
    encodeTrailers: up('encodeTrailers'),
    onStreamComplete: up('onStreamComplete'),
    onDestroy: up('onDestroy'),
    wantsEvents: down('encodeEvent').length > 0,
  };
}

/** Cuts the chain at its nesting filters. The last entry must be the terminal filter. */
export function compileChain(entries: readonly ChainEntry[], fork?: ChainFork): ChainSegment {
  if (fork === undefined || fork.routes.size === 0) return cut(entries, 0, entries.length, undefined);
  const { shared } = fork;
  let start = shared - 1;
  while (start > 0 && entries[start - 1]?.nesting !== true) start--;
  const otherwise = cut(entries, start, entries.length, undefined);
  const routes = new Map<string, ChainSegment>();
  for (const [route, own] of fork.routes) {
    for (let k = 0; k < shared; k++) if (own[k] !== entries[k]) throw new BugError(`route ${route} parts too early`);
    routes.set(route, cut(own, start, own.length, undefined));
  }
  const branch: Branch = ({ route }) => (route === undefined ? undefined : routes.get(route)) ?? otherwise;
  const parting = new ChainSegment(entries.slice(start, shared), undefined, branch);
  return start === 0 ? parting : cut(entries, 0, start, parting);
}

/** Segments of the entries from `from` to before `to`; `below` is what the last of them opens, if it nests. */
function cut(entries: readonly ChainEntry[], from: number, to: number, below: ChainSegment | undefined): ChainSegment {
  let inner = below;
  let end = to;
  for (let i = to - 2; i >= from; i--) {
    if (entries[i]?.nesting !== true) continue;
    inner = new ChainSegment(entries.slice(i + 1, end), inner);
    end = i + 1;
  }
  return new ChainSegment(entries.slice(from, end), inner);
}
