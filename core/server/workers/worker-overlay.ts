import { createHash } from 'node:crypto';
import type { ClusterConfig } from '../../../config/gateway.js';
import type { ManagedWorker } from '../../cluster/worker.js';
import { workerId } from '../../cluster/worker-identity.js';
import type { WorkerRegistry } from '../../cluster/worker-registry.js';
import type { WorkerIdentity, WorkerSource, WorkerSpec } from '../../cluster/worker-spec.js';
import { RecordError, type WorkerPatch, type WorkerRecord } from './worker-record.js';
import { clusterFor, recordSpec, withHealth } from './worker-specs.js';

/** The source under which workers of the admin API are in the registry. */
export const API_SOURCE = Symbol('admin API');

/** What the admin API has said of a worker that config or a discovery names. */
interface Amendment {
  /** Of the worker's settings when it was said: when those change, they win. */
  readonly base: string;
  /** Undefined: removed. */
  readonly patch: WorkerPatch | undefined;
}

/** Everything that must outlive a restart. Holds keys. */
export interface OverlayState {
  readonly version: 1;
  readonly workers: readonly WorkerRecord[];
  readonly amendments: Readonly<Record<string, Amendment>>;
}

/** Keeps an overlay's state; called after every change. */
export type OverlayStore = (state: OverlayState) => void;

/**
 * What the admin API lays over the configuration: workers of its own, and changes and removals of workers that are named
 * elsewhere. It survives reloads; where the settings of a worker change in the file, the file wins again.
 */
export class WorkerOverlay {
  readonly #registry: WorkerRegistry;
  /** By URL: a record is one worker. */
  readonly #records = new Map<string, WorkerRecord>();
  /** Kept, but not in use: workers that the present configuration refuses. */
  readonly #setAside = new Map<string, WorkerRecord>();
  /** By worker id. */
  readonly #amendments = new Map<string, Amendment>();
  #clusters: readonly ClusterConfig[] = [];
  #store: OverlayStore | undefined = undefined;

  constructor(registry: WorkerRegistry) {
    this.#registry = registry;
    registry.setAmender((spec, source) => this.#amend(spec, source));
  }

  /**
   * Takes over what an earlier process kept; before the first `configure`. `store` is told of every change from now on.
   * `refused`: URLs that must not be used now; their records stay in the state for a time when they may.
   */
  restore(state: OverlayState | undefined, refused: ReadonlySet<string>, store: OverlayStore): void {
    this.#store = store;
    for (const record of state?.workers ?? []) {
      (refused.has(record.url) ? this.#setAside : this.#records).set(record.url, record);
    }
    for (const [id, amendment] of Object.entries(state?.amendments ?? {})) this.#amendments.set(id, amendment);
  }

  /** URLs of its own workers. */
  urls(): string[] {
    return [...this.#records.keys()];
  }

  /** A new configuration is in force: its clusters' settings are those of the workers in them. */
  configure(clusters: readonly ClusterConfig[]): void {
    this.#clusters = clusters;
    const specs: WorkerSpec[] = [];
    for (const record of this.#records.values()) {
      const cluster = this.#findCluster(record);
      // A cluster that a reload took away takes its workers along until it comes back.
      if (cluster !== undefined) specs.push(recordSpec(record, cluster));
    }
    this.#registry.update(API_SOURCE, specs);
  }

  /** The id that a worker of this record has, or will have. Throws RecordError for a cluster that does not exist. */
  idOf(record: WorkerRecord): string {
    return workerId(identityOf(record, this.#clusterOf(record)));
  }

  /** The worker of the record at this URL, in whatever cluster. */
  workerAt(url: string): ManagedWorker | undefined {
    const record = this.#records.get(url);
    const cluster = record === undefined ? undefined : this.#findCluster(record);
    if (record === undefined || cluster === undefined) return undefined;
    return this.#registry.get(workerId(identityOf(record, cluster)));
  }

  /** The API's own record of a worker. */
  recordOf(worker: ManagedWorker): WorkerRecord | undefined {
    const record = this.#records.get(worker.url);
    if (record === undefined || (record.worker_type ?? 'regular') !== worker.workerType) return undefined;
    return this.#findCluster(record)?.name === worker.cluster ? record : undefined;
  }

  /** Adds a worker, or replaces it. Throws RecordError for a cluster that does not exist. */
  put(record: WorkerRecord): ManagedWorker {
    const spec = recordSpec(record, this.#clusterOf(record));
    const id = workerId(spec);
    const before = this.workerAt(record.url);
    if (before !== undefined && before.id !== id) this.#registry.drop(API_SOURCE, before.spec());
    this.#records.set(record.url, record);
    this.#setAside.delete(record.url);
    this.#registry.put(API_SOURCE, spec);
    // One that is named elsewhere, too, is the API's from now on.
    this.#setAmendment(spec, undefined);
    this.#save();
    return this.#registry.get(id) as ManagedWorker;
  }

  /** Changes some fields. */
  patch(worker: ManagedWorker, patch: WorkerPatch): void {
    const record = this.recordOf(worker);
    if (record !== undefined) {
      const patched = patchRecord(record, patch);
      this.#records.set(record.url, patched);
      this.#registry.put(API_SOURCE, recordSpec(patched, this.#clusterOf(patched)));
    } else {
      const known = this.#amendments.get(worker.id)?.patch ?? {};
      const labels = { ...known.labels, ...patch.labels };
      const health = { ...known.health, ...patch.health };
      this.#setAmendment(worker.spec(), { ...known, ...patch, labels, health });
    }
    this.#save();
  }

  /** Takes a worker out, whoever named it. It drains. */
  remove(worker: ManagedWorker): void {
    const record = this.recordOf(worker);
    this.#setAmendment(worker.spec(), undefined);
    if (record !== undefined) {
      this.#records.delete(record.url);
      this.#registry.drop(API_SOURCE, worker.spec());
    }
    this.#save();
  }

  /** What config or a discovery says of a worker is changed, or not followed; without effect when they do not name it. */
  #setAmendment(identity: WorkerIdentity, patch: WorkerPatch | undefined): void {
    const base = this.#registry.specBeside(API_SOURCE, identity);
    if (base === undefined) return;
    this.#amendments.set(workerId(base), { base: digestOf(base), patch });
    this.#registry.amend(base);
  }

  #findCluster(record: WorkerRecord): ClusterConfig | undefined {
    return clusterFor(this.#clusters, record.cluster);
  }

  #clusterOf(record: WorkerRecord): ClusterConfig {
    const cluster = this.#findCluster(record);
    if (cluster !== undefined) return cluster;
    const names = this.#clusters.map(({ name }) => name).join(', ');
    throw new RecordError(`cluster: there is no cluster "${record.cluster}"; there are: ${names}`);
  }

  #amend(spec: WorkerSpec, source: WorkerSource): WorkerSpec | undefined {
    if (this.#amendments.size === 0 || source === API_SOURCE) return spec;
    const amendment = this.#amendments.get(workerId(spec));
    if (amendment === undefined || amendment.base !== digestOf(spec)) return spec;
    return amendment.patch === undefined ? undefined : patchSpec(spec, amendment.patch);
  }

  #save(): void {
    this.#store?.({
      version: 1,
      workers: [...this.#records.values(), ...this.#setAside.values()],
      amendments: Object.fromEntries(this.#amendments),
    });
  }
}

function identityOf(record: WorkerRecord, cluster: ClusterConfig): WorkerIdentity {
  return { cluster: cluster.name, workerType: record.worker_type ?? 'regular', url: record.url };
}

/**
 * Settings compared without being kept: they hold a key. A renewed certificate is no change of the worker, and the id of
 * TLS settings means nothing to the next process.
 */
function digestOf({ tls: _tls, ...settings }: WorkerSpec): string {
  return createHash('sha256').update(JSON.stringify(settings)).digest('base64url');
}

function patchRecord(record: WorkerRecord, patch: WorkerPatch): WorkerRecord {
  const { labels, health, ...fields } = patch;
  return {
    ...record,
    ...fields,
    labels: patchLabels(record.labels ?? {}, labels),
    ...(health === undefined ? {} : { health: { ...record.health, ...health } }),
  };
}

function patchSpec(spec: WorkerSpec, patch: WorkerPatch): WorkerSpec {
  return {
    ...spec,
    priority: patch.priority ?? spec.priority,
    cost: patch.cost ?? spec.cost,
    weight: patch.weight ?? spec.weight,
    apiKey: patch.api_key ?? spec.apiKey,
    labels: patchLabels(spec.labels, patch.labels),
    ...withHealth(patch.health, spec),
  };
}

function patchLabels(labels: Readonly<Record<string, string>>, patch: WorkerPatch['labels']): Record<string, string> {
  const result = { ...labels };
  for (const [name, value] of Object.entries(patch ?? {})) {
    if (value === null) delete result[name];
    else result[name] = value;
  }
  return result;
}
