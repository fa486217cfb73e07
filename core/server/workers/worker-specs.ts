import type { ClusterConfig, ProviderConfig } from '../../../config/gateway.js';
import { canonicalProvider, providerOfUrl } from '../../api/provider.js';
import type { ModelCard, WorkerRuntime } from '../../api/worker.js';
import { runtimeOfUrl } from '../../cluster/detection/detect-worker.js';
import {
  DEFAULT_PROTECTION,
  type OverloadSettings,
  type ProtectionSettings,
  withOverrides,
} from '../../cluster/protection-settings.js';
import { UpstreamTlsSettings } from '../../cluster/upstream-tls.js';
import { type ClusterSpec, DEFAULT_DRAIN, DEFAULT_HEALTH_CHECK, type WorkerSpec } from '../../cluster/worker-spec.js';
import { readModelCard } from '../model-card-json.js';
import type { WorkerRecord } from './worker-record.js';

/** Undefined: to be detected. A provider's host needs no saying. */
function statedRuntime(worker: StatedWorker): WorkerRuntime | undefined {
  if (worker.runtime !== undefined && worker.runtime !== 'unspecified') return worker.runtime;
  return worker.provider === undefined ? runtimeOfUrl(worker.url) : 'external';
}

/** Canonical. */
function statedProvider({ provider }: Pick<StatedWorker, 'provider'>): string | undefined {
  return provider === undefined ? undefined : canonicalProvider(provider);
}

/** What the workers of a provider share; undefined for engines and for providers of which nothing is said. */
function sharedByProvider(cluster: ClusterConfig, provider: string | undefined): ProviderConfig | undefined {
  return provider === undefined ? undefined : cluster.providers.find(({ name }) => name === provider);
}

function listKeyOf(provider: ProviderConfig | undefined): string | undefined {
  return provider?.list_key?.reveal();
}

/** Whether a URL is the provider's own, or the one that its block names: whoever adds a worker elsewhere gets no key of ours. */
function isAddressOf(provider: ProviderConfig, url: string): boolean {
  const { origin, protocol } = new URL(url);
  if (provider.url !== undefined && new URL(provider.url).origin === origin) return true;
  return protocol === 'https:' && providerOfUrl(url) === provider.name;
}

interface StatedWorker {
  readonly url: string;
  readonly provider?: string | undefined;
  readonly runtime?: WorkerRuntime | 'unspecified' | undefined;
}

/** Cluster of that name; the first one where none is named. */
export function clusterFor(clusters: readonly ClusterConfig[], name: string | undefined): ClusterConfig | undefined {
  return clusters.find((cluster) => name === undefined || cluster.name === name);
}

/** What a cluster says for every worker in it. */
function clusterDefaults(cluster: ClusterConfig) {
  return {
    cluster: cluster.name,
    models: cluster.models,
    provider: statedProvider(cluster),
    byok: cluster.byok ?? (cluster.pass_through === true ? 'require' : undefined),
    apiKey: cluster.api_key?.reveal(),
    pool: poolSettings(cluster),
    tls: tlsSettings(cluster),
    startup: startupSettings(cluster),
    drain: drainSettings(cluster),
    removeFailed: cluster.health !== 'off' && cluster.health.remove_failed,
    dpAware: cluster.dp.aware ?? cluster.dp.scheduler !== undefined,
    dpScheduler: cluster.dp.scheduler,
    protection: protectionSettings(cluster),
  };
}

/** The workers of a cluster that are written down. */
export function workerSpecs(cluster: ClusterConfig): WorkerSpec[] {
  const defaults = clusterDefaults(cluster);
  return cluster.workers.map((worker): WorkerSpec => {
    const provider = statedProvider(worker) ?? defaults.provider;
    const runtime = statedRuntime({ ...worker, provider }) ?? cluster.runtime;
    const shared = sharedByProvider(cluster, provider ?? providerOfUrl(worker.url));
    return {
      ...defaults,
      url: worker.url,
      runtime,
      provider,
      byok: worker.byok ?? defaults.byok ?? shared?.byok,
      workerType: worker.worker_type,
      backend: worker.backend,
      models: worker.models.length > 0 ? worker.models : defaults.models,
      priority: worker.priority,
      cost: worker.cost,
      weight: worker.weight,
      labels: worker.labels,
      apiKey: worker.api_key?.reveal() ?? defaults.apiKey ?? shared?.key?.reveal(),
      listKey: listKeyOf(shared),
      health: healthSettings(cluster, runtime === 'external'),
    };
  });
}

/**
 * Workers that engines of this process are: clear text, whatever TLS the cluster speaks to others, and up when they are
 * known.
 */
export function engineWorkerSpecs(cluster: ClusterConfig, urls: readonly string[]): WorkerSpec[] {
  const startup = { ...startupSettings(cluster), delayMs: 0 };
  return urls.map((url) => ({ ...recordSpec({ url, models: [] }, cluster), startup, tls: undefined }));
}

/** A worker of the admin API in its cluster, whose settings it takes where it has none. */
export function recordSpec(record: WorkerRecord, cluster: ClusterConfig): WorkerSpec {
  const defaults = clusterDefaults(cluster);
  const provider = statedProvider(record) ?? defaults.provider;
  const runtime = statedRuntime({ ...record, provider }) ?? cluster.runtime;
  const shared = sharedByProvider(cluster, provider ?? providerOfUrl(record.url));
  const trusted = shared !== undefined && isAddressOf(shared, record.url) ? shared : undefined;
  const models = record.models.map(({ id }) => id);
  const { pool_idle_timeout_secs: idleSeconds, pool_max_connections: maxConnections } = record.http_pool ?? {};
  return {
    ...defaults,
    url: record.url,
    runtime,
    provider,
    byok: record.byok ?? defaults.byok ?? shared?.byok,
    workerType: record.worker_type ?? 'regular',
    backend: record.backend,
    models: models.length > 0 ? models : defaults.models,
    cards: record.models.map((card): ModelCard => readModelCard(card)),
    priority: record.priority ?? 50,
    cost: record.cost ?? 1,
    weight: record.weight ?? 1,
    labels: record.labels ?? {},
    apiKey: record.api_key ?? defaults.apiKey ?? trusted?.key?.reveal(),
    listKey: record.api_key === undefined ? listKeyOf(trusted) : undefined,
    protection: recordProtection(record, defaults.protection),
    pool: {
      ...defaults.pool,
      maxConnections: maxConnections ?? defaults.pool.maxConnections,
      idleMs: idleSeconds === undefined ? defaults.pool.idleMs : idleSeconds * 1_000,
    },
    ...withHealth(record.health, { health: healthSettings(cluster, runtime === 'external'), drain: defaults.drain }),
  };
}

/** What a record says of its breaker, overload and load polls, laid over what its cluster says. */
function recordProtection(record: WorkerRecord, base: ProtectionSettings): ProtectionSettings {
  const { resilience, overload, load_monitor_interval_secs: everySeconds } = record;
  const own = resilience === undefined && overload === undefined ? base : withOverrides(base, resilience, overload);
  return everySeconds === undefined ? own : { ...own, load: { ...own.load, pollMs: everySeconds * 1_000 } };
}

/** Health check and drain with what a `health` block of the admin API says laid over. */
export function withHealth(
  block: WorkerRecord['health'],
  { health, drain }: Pick<WorkerSpec, 'health' | 'drain'>,
): Pick<WorkerSpec, 'health' | 'drain'> {
  if (block === undefined) return { health, drain };
  const { check_interval_secs: every, timeout_secs: timeout, drain_settle_secs: settle } = block;
  return {
    health: {
      ...health,
      enabled: block.disable_health_check === undefined ? health.enabled : !block.disable_health_check,
      intervalMs: every === undefined ? health.intervalMs : every * 1_000,
      timeoutMs: timeout === undefined ? health.timeoutMs : timeout * 1_000,
      healthyAfter: block.success_threshold ?? health.healthyAfter,
      unhealthyAfter: block.failure_threshold ?? health.unhealthyAfter,
    },
    drain: settle === undefined ? drain : { ...drain, settleMs: settle * 1_000 },
  };
}

/** What the cluster says of itself. */
export function clusterSpec(cluster: ClusterConfig): ClusterSpec {
  const { connect, first_byte, idle, request } = cluster.timeouts;
  return {
    name: cluster.name,
    policy: cluster.policy.type,
    shedRetryAfterMs: shedsOverload(cluster) ? cluster.load.poll_every : undefined,
    timeouts: { connectMs: connect, firstByteMs: first_byte, idleMs: idle, requestMs: request },
  };
}

/** What keeps requests from the workers of a cluster, whoever names them. */
export function protectionSettings(cluster: ClusterConfig): ProtectionSettings {
  const { circuit_breaker: breaker, overload, load, liveness } = cluster;
  return {
    ...DEFAULT_PROTECTION,
    breaker:
      breaker === 'off'
        ? undefined
        : {
            failures: breaker.failures,
            successes: breaker.successes,
            openMs: breaker.open_for,
            windowMs: breaker.window,
          },
    overload: overload === 'off' ? undefined : overloadLimits(overload),
    load: { pollMs: load.poll_every, always: load.when === 'always' },
    liveness: { stallMs: liveness.stall, staleMs: liveness.stale, wedgeMs: liveness.wedge },
  };
}

/** One limit that is given stands alone; none means SMG's two. */
function overloadLimits(overload: {
  waiting_requests?: number | undefined;
  kv_usage?: number | undefined;
}): OverloadSettings {
  const { waiting_requests: waitingRequests, kv_usage: kvUsage } = overload;
  if (waitingRequests === undefined && kvUsage === undefined) return DEFAULT_PROTECTION.overload as OverloadSettings;
  return { waitingRequests, kvUsage };
}

function shedsOverload({ overload }: ClusterConfig): boolean {
  return overload !== 'off' && overload.shed;
}

/** `external`: a cloud API, which has no probe path. */
function healthSettings(cluster: ClusterConfig, external: boolean): WorkerSpec['health'] {
  const { health } = cluster;
  if (health === 'off') return { ...DEFAULT_HEALTH_CHECK, enabled: false };
  return {
    enabled: !external,
    path: health.path,
    intervalMs: health.every,
    timeoutMs: health.timeout,
    unhealthyAfter: health.unhealthy_after,
    healthyAfter: health.healthy_after,
  };
}

function startupSettings({ startup }: ClusterConfig): WorkerSpec['startup'] {
  return { timeoutMs: startup.timeout, delayMs: startup.delay, checkEveryMs: startup.check_every };
}

function drainSettings({ drain }: ClusterConfig): WorkerSpec['drain'] {
  return drain === 'off' ? DEFAULT_DRAIN : { settleMs: drain.settle, timeoutMs: drain.timeout };
}

/** TLS towards the workers of a cluster, whoever names them. */
export function tlsSettings({ tls }: ClusterConfig): UpstreamTlsSettings | undefined {
  if (tls === undefined) return undefined;
  const { ca, cert, key, server_name: serverName, verify } = tls;
  return new UpstreamTlsSettings({ ca, cert, key: key?.reveal(), serverName, rejectUnauthorized: verify });
}

function poolSettings(cluster: ClusterConfig): WorkerSpec['pool'] {
  return { maxConnections: cluster.pool.max_per_worker, maxWaiting: 1_000, idleMs: cluster.pool.idle_timeout };
}
