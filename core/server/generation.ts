import type { GatewayConfig } from '../../config/gateway.js';
import type { ClientApi } from '../api/client-api.js';
import type { StreamInfo } from '../api/stream-info.js';
import type { ClusterSet } from '../cluster/clusters.js';
import type { ControlAccess, HttpGeneration } from '../http/connection-manager.js';
import type { EndpointTable } from '../http/endpoint-table.js';
import type { ChainSegment } from '../http/filter-chain.js';
import type { FilterManagerOptions } from '../http/filter-manager.js';
import type { GenerationLifetime } from './generation-lifetime.js';

/** The parts of a generation, made by the builder. */
export interface GenerationParts {
  readonly config: GatewayConfig;
  readonly chain: ChainSegment;
  readonly localChain: ChainSegment;
  readonly endpoints: EndpointTable;
  readonly options: FilterManagerOptions;
  readonly clusters: ClusterSet;
  readonly apis: readonly ClientApi[];
  readonly controlAccess: (info: StreamInfo) => ControlAccess;
  readonly lifetime: GenerationLifetime;
  /** Brings the settings of its workers into force; when it becomes current. */
  activate(): void;
}

/**
 * Everything that was built from one config. Never changed; replaced as a whole. Streams that began on it keep it; it is
 * disposed when it has been retired and its last stream has ended.
 */
export class Generation implements HttpGeneration {
  /** Counts up from 1 in one process. */
  readonly id: number;
  readonly config: GatewayConfig;
  readonly chain: ChainSegment;
  readonly localChain: ChainSegment;
  readonly endpoints: EndpointTable;
  readonly options: FilterManagerOptions;
  readonly clusters: ClusterSet;
  readonly apis: readonly ClientApi[];
  readonly controlAccess: (info: StreamInfo) => ControlAccess;
  readonly #lifetime: GenerationLifetime;
  #streams = 0;
  #retired = false;
  #disposal: Promise<void> | undefined = undefined;
  readonly #onDisposed: (error: unknown) => void;

  /** `onDisposed` gets the failure, or undefined. */
  constructor(id: number, parts: GenerationParts, onDisposed: (error: unknown) => void) {
    this.id = id;
    this.config = parts.config;
    this.chain = parts.chain;
    this.localChain = parts.localChain;
    this.endpoints = parts.endpoints;
    this.options = parts.options;
    this.clusters = parts.clusters;
    this.apis = parts.apis;
    this.controlAccess = parts.controlAccess;
    this.#lifetime = parts.lifetime;
    this.#onDisposed = onDisposed;
  }

  /** Streams that are open on it. */
  get streams(): number {
    return this.#streams;
  }

  retain(): void {
    this.#streams++;
  }

  release(): void {
    this.#streams--;
    if (this.#retired && this.#streams === 0) this.#dispose();
  }

  /** A newer generation has taken over. */
  retire(): void {
    this.#retired = true;
    if (this.#streams === 0) this.#dispose();
  }

  /** Disposes now, whatever is still open: the end of the process. */
  async dispose(): Promise<void> {
    this.#dispose();
    await this.#disposal;
  }

  #dispose(): void {
    this.#disposal ??= this.#lifetime.dispose().then(
      () => this.#onDisposed(undefined),
      (error: unknown) => this.#onDisposed(error),
    );
  }
}
