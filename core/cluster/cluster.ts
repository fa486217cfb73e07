import { canonicalProvider, providerFacts, providerOfModel } from '../api/provider.js';
import type { Cluster, Selectable, UpstreamTimeouts, Worker, WorkerTier } from '../api/worker.js';
import type { ClusterSpec, WorkerSource } from './worker-spec.js';

/** Where clusters take their members from, and how they notice that what they derived is stale. */
export interface ClusterMembers {
  /** Grows whenever a worker comes, goes, or serves other models. */
  readonly membersVersion: number;
  /** Grows whenever a worker may be chosen, or with another share or priority, that was different before. */
  readonly selectionVersion: number;
  members(cluster: string, sources: readonly WorkerSource[]): readonly Worker[];
}

/** The shares by which a list was made: a list whose shares change is another list to policies. */
const sharesOf = new WeakMap<readonly Worker[], readonly number[]>();

const NO_WORKERS: readonly Worker[] = [];
const NONE_SELECTABLE: Selectable = { tiers: [], overloaded: NO_WORKERS, inDoubt: NO_WORKERS };

/**
 * The workers of one cluster as one config generation sees it: those of the file and those that its discoveries and the
 * admin API bring. Which worker serves which model, and which of them may be chosen, is worked out once per change, so that
 * a request costs one map lookup; clients cannot grow the maps.
 */
export class WorkerCluster implements Cluster {
  readonly name: string;
  readonly policy: string;
  readonly timeouts: UpstreamTimeouts;
  readonly shedRetryAfterMs: number | undefined;
  readonly #source: ClusterMembers;
  readonly #sources: readonly WorkerSource[];
  #seenMembers = -1;
  #workers: readonly Worker[] = NO_WORKERS;
  /** Members per model that some member names, in order. */
  #byModel: ReadonlyMap<string, readonly Worker[]> = new Map();
  /** Other names of models; those that are canonical somewhere in the cluster are left out. */
  #byAlias: ReadonlyMap<string, AliasEntry> = new Map();
  /** Of its members. */
  #providers: ReadonlySet<string | undefined> = new Set();
  /** Members that take any model. */
  #wildcards = new Wildcards(NO_WORKERS);
  #seenSelection = -1;
  /** By list of candidates; keeps those whose content a change left alone. */
  #selectable = new Map<readonly Worker[], Selectable>();
  #staleSelectable = new Map<readonly Worker[], Selectable>();

  /** `sources`: who may bring members, in the order in which they are listed. */
  constructor(spec: ClusterSpec, members: ClusterMembers, sources: readonly WorkerSource[]) {
    this.name = spec.name;
    this.policy = spec.policy;
    this.timeouts = spec.timeouts;
    this.shedRetryAfterMs = spec.shedRetryAfterMs;
    this.#source = members;
    this.#sources = sources;
  }

  get workers(): readonly Worker[] {
    this.#refresh();
    return this.#workers;
  }

  serves(model: string | undefined): boolean {
    return this.candidates(model).length > 0;
  }

  candidates(model: string | undefined): readonly Worker[] {
    this.#refresh();
    if (model === undefined) return this.#workers;
    const known = this.#byModel.get(model) ?? this.#byAlias.get(model)?.workers;
    if (known !== undefined) return known;
    const bare = this.#withoutProvider(model);
    return bare === undefined ? this.#wildcards.forModel(model) : this.candidates(bare);
  }

  selectable(model: string | undefined): Selectable {
    const candidates = this.candidates(model);
    if (this.#seenSelection !== this.#source.selectionVersion) {
      this.#seenSelection = this.#source.selectionVersion;
      this.#staleSelectable = this.#selectable;
      this.#selectable = new Map();
    }
    let selectable = this.#selectable.get(candidates);
    if (selectable === undefined) {
      selectable = select(candidates, this.#staleSelectable.get(candidates));
      this.#selectable.set(candidates, selectable);
    }
    return selectable;
  }

  canonicalModel(model: string): string {
    this.#refresh();
    if (this.#byModel.has(model)) return model;
    const alias = this.#byAlias.get(model);
    return alias === undefined ? (this.#withoutProvider(model) ?? model) : (alias.canonical ?? model);
  }

  /** Whether a member that takes any model is of the provider whose models have such names, or is named before a slash. */
  suits(model: string): boolean {
    this.#refresh();
    return this.#withoutProvider(model) !== undefined || this.#wildcards.suits(model);
  }

  /** Whether a member names this model, rather than taking any. */
  hasModel(model: string): boolean {
    this.#refresh();
    return this.#byModel.has(model);
  }

  /** Whether it is another name of a member's model. */
  hasAlias(model: string): boolean {
    this.#refresh();
    return this.#byAlias.has(model);
  }

  /** Every model that a member names, in order, each once. */
  models(): Iterable<string> {
    this.#refresh();
    return this.#byModel.keys();
  }

  /** `claude-x` of `anthropic/claude-x`, where a member is of that provider; undefined for any other name. */
  #withoutProvider(model: string): string | undefined {
    const slash = model.indexOf('/');
    if (slash <= 0) return undefined;
    const provider = canonicalProvider(model.slice(0, slash));
    return this.#providers.has(provider) ? model.slice(slash + 1) : undefined;
  }

  #refresh(): void {
    if (this.#seenMembers === this.#source.membersVersion) return;
    this.#seenMembers = this.#source.membersVersion;
    const members = this.#source.members(this.name, this.#sources);
    this.#workers = sameMembers(members, this.#workers) ? this.#workers : members;
    this.#providers = new Set(this.#workers.map((worker) => worker.provider));
    this.#wildcards = new Wildcards(this.#workers.filter((worker) => worker.models.length === 0));
    const known = this.#byModel;
    const byModel = indexByModel(this.#workers);
    for (const [model, workers] of byModel) {
      const before = known.get(model);
      if (before !== undefined && sameMembers(before, workers)) byModel.set(model, before);
    }
    this.#byModel = byModel;
    this.#byAlias = indexByAlias(this.#workers, byModel, this.#byAlias);
  }
}

/** Whether a worker is of a provider that serves this one's models. */
function servesModelsOf({ provider }: Worker, owner: string): boolean {
  return provider !== undefined && (providerFacts(provider)?.modelsOf ?? provider) === owner;
}

/** Whether a member that takes any model can have this one: another provider's, by its name, it has not. */
function canHave(worker: Worker, model: string): boolean {
  if (providerFacts(worker.provider) === undefined) return true;
  const owner = providerOfModel(model);
  return owner === undefined || servesModelsOf(worker, owner);
}

/** The members of a cluster that take any model, by the providers whose models they can have. */
class Wildcards {
  readonly #all: readonly Worker[];
  /** By owner of a model; the lists keep their identity. */
  readonly #byOwner = new Map<string, readonly Worker[]>();
  /** They are of several providers. */
  readonly #mixed: boolean;

  constructor(all: readonly Worker[]) {
    this.#all = all;
    this.#mixed = new Set(all.map(({ provider }) => provider)).size > 1;
  }

  /** Of one provider alone all are asked: it may have models of others. */
  forModel(model: string): readonly Worker[] {
    const owner = this.#mixed ? providerOfModel(model) : undefined;
    if (owner === undefined) return this.#all;
    let able = this.#byOwner.get(owner);
    if (able === undefined) {
      able = this.#all.filter((worker) => servesModelsOf(worker, owner));
      if (able.length === 0) able = this.#all.filter((worker) => canHave(worker, model));
      this.#byOwner.set(owner, able);
    }
    return able;
  }

  suits(model: string): boolean {
    const owner = this.#all.length === 0 ? undefined : providerOfModel(model);
    return owner !== undefined && this.#all.some((worker) => servesModelsOf(worker, owner));
  }
}

/** Who answers to an alias. */
interface AliasEntry {
  /** What a self-hosted member calls the model; undefined for a provider, which takes the alias as it is written. */
  readonly canonical: string | undefined;
  readonly workers: readonly Worker[];
}

/**
 * The first member that declares an alias decides what it means. `before`: the last index, whose lists are kept where they
 * are still right.
 */
function indexByAlias(
  workers: readonly Worker[],
  byModel: ReadonlyMap<string, readonly Worker[]>,
  before: ReadonlyMap<string, AliasEntry>,
): ReadonlyMap<string, AliasEntry> {
  const byAlias = new Map<string, AliasEntry>();
  for (const worker of workers) {
    for (const { id, aliases = [] } of worker.cards ?? []) {
      const serving = byModel.get(id);
      if (serving === undefined) continue;
      for (const alias of aliases) {
        if (byModel.has(alias) || byAlias.has(alias)) continue;
        if (worker.runtime !== 'external') {
          byAlias.set(alias, { canonical: id, workers: serving });
          continue;
        }
        const declaring = workers.filter((each) => declares(each, alias));
        const known = before.get(alias)?.workers;
        const list = known !== undefined && sameMembers(known, declaring) ? known : declaring;
        byAlias.set(alias, { canonical: undefined, workers: list });
      }
    }
  }
  return byAlias;
}

function declares(worker: Worker, alias: string): boolean {
  return worker.runtime === 'external' && (worker.cards ?? []).some((card) => card.aliases?.includes(alias) === true);
}

/** Workers per model that one of them names, those that take any model among them, in their order. */
function indexByModel(workers: readonly Worker[]): Map<string, readonly Worker[]> {
  const byModel = new Map<string, Worker[]>();
  const wildcards: Worker[] = [];
  for (const worker of workers) {
    if (worker.models.length === 0) {
      wildcards.push(worker);
      for (const [model, serving] of byModel) if (canHave(worker, model)) serving.push(worker);
    }
    for (const model of worker.models) {
      const serving = byModel.get(model);
      if (serving === undefined) {
        byModel.set(model, [...wildcards.filter((each) => canHave(each, model)), worker]);
      } else if (serving.at(-1) !== worker) serving.push(worker);
    }
  }
  return byModel;
}

/** `before`: what a selection of the same candidates gave last; its lists are kept where they are still right. */
function select(candidates: readonly Worker[], before: Selectable | undefined): Selectable {
  const available = candidates.filter((worker) => worker.available && !worker.overloaded && !worker.inDoubt);
  if (available.length === 0) {
    const others = candidates.filter((worker) => worker.available);
    if (others.length === 0) return NONE_SELECTABLE;
    const overloaded = others.filter((worker) => !worker.inDoubt);
    return { tiers: [], overloaded, inDoubt: others.filter((worker) => worker.inDoubt) };
  }
  const byPriority = new Map<number, Worker[]>();
  for (const worker of available) {
    const tier = byPriority.get(worker.priority);
    if (tier === undefined) byPriority.set(worker.priority, [worker]);
    else tier.push(worker);
  }
  const tiers = [...byPriority]
    .sort(([left], [right]) => right - left)
    .map(([priority, workers]): WorkerTier => {
      const known = before?.tiers.find((tier) => tier.priority === priority)?.workers;
      const list = known !== undefined && sameMembers(known, workers) && sameShares(known) ? known : workers;
      if (list === workers) {
        sharesOf.set(
          workers,
          workers.map((worker) => worker.share),
        );
      }
      return {
        priority,
        workers: list,
        capped: workers.some((worker) => worker.maxInFlight < Number.POSITIVE_INFINITY),
      };
    });
  return { tiers, overloaded: NO_WORKERS, inDoubt: NO_WORKERS };
}

function sameMembers(left: readonly Worker[], right: readonly Worker[]): boolean {
  return left.length === right.length && left.every((worker, index) => worker === right[index]);
}

function sameShares(list: readonly Worker[]): boolean {
  const shares = sharesOf.get(list);
  return shares !== undefined && list.every((worker, index) => worker.share === shares[index]);
}
