import { Clock } from '../api/clock.js';
import { HttpServers } from '../api/http-server.js';
import { AccessLog, Logger } from '../api/log.js';
import { StatsScope } from '../api/stats.js';
import { UpstreamClient } from '../api/upstream.js';
import { ClusterStats } from '../cluster/cluster-stats.js';
import { HealthChecker } from '../cluster/health-checker.js';
import { LoadMonitor } from '../cluster/load-monitor.js';
import { LoadStats } from '../cluster/load-stats.js';
import { ProtectionStats } from '../cluster/protection-stats.js';
import { HttpUpstreamClient } from '../cluster/upstream-client.js';
import { logWorkerEvents } from '../cluster/worker-event-log.js';
import { WorkerProtection } from '../cluster/worker-protection.js';
import { WorkerRegistry } from '../cluster/worker-registry.js';
import { openListener } from '../listener/listener.js';
import { SystemClock } from '../server/system-clock.js';
import { AccessLogger } from '../telemetry/access-logger.js';
import { createLog, type GatewayLog, type LogOptions } from '../telemetry/log.js';
import { registerProcessMetrics } from '../telemetry/process-metrics.js';
import { StatsStore } from '../telemetry/stats-store.js';
import { ServiceContainer } from './container.js';

/** The services of one process, made in order of need. */
export interface ProcessServices {
  readonly container: ServiceContainer;
  readonly clock: Clock;
  readonly log: GatewayLog;
  readonly stats: StatsStore;
  readonly servers: HttpServers;
  readonly client: HttpUpstreamClient;
  readonly registry: WorkerRegistry;
  readonly protection: WorkerProtection;
  readonly loadMonitor: LoadMonitor;
}

/** Builds them and binds those that plugins may ask for. Nothing here opens a socket. `version` is for metrics. */
export function createProcessServices(logOptions: LogOptions, version: string): ProcessServices {
  const clock = new SystemClock();
  const stats = new StatsStore();
  const dropped = stats.counter({
    name: 'smg_log_dropped_lines_total',
    help: 'Log lines that were dropped because nobody reads the output',
    labels: ['sink'],
  });
  const log = createLog({ dropped: dropped.with('stdout'), ...logOptions });
  registerProcessMetrics(stats, version);
  const servers: HttpServers = { listen: (options, accept) => openListener({ ...options, clock }, accept) };
  const clusterStats = new ClusterStats(stats);
  const client = new HttpUpstreamClient({ clock, stats: clusterStats });
  const checker = new HealthChecker({
    client,
    clock,
    onProbe: (worker, ok) => {
      worker.guard?.onProbe(ok);
      if (ok) loadMonitor.onProbe(worker);
    },
    countCheck: (workerType, result) => clusterStats.countCheck(workerType, result),
  });
  const registry = new WorkerRegistry({ checker, pools: client, clock, stats: clusterStats });

  const protection = new WorkerProtection(registry, {
    clock,
    stats: new ProtectionStats(stats),
    probeSoon: (worker) => checker.probeSoon(worker),
    askLoad: (worker) => loadMonitor.askSoon(worker),
  });
  const loadMonitor: LoadMonitor = new LoadMonitor(registry, { client, clock, stats: new LoadStats(stats) });

  logWorkerEvents(registry, log.logger);

  const container = ServiceContainer.createRoot();
  container.bind(Clock, clock);
  container.bind(Logger, log.logger);
  container.bind(AccessLog, new AccessLogger(log.sink, log.format, clock, (level) => log.logger.isLevelEnabled(level)));
  container.bind(StatsScope, stats);
  container.bind(HttpServers, servers);
  container.bind(UpstreamClient, client);
  return { container, clock, log, stats, servers, client, registry, protection, loadMonitor };
}
