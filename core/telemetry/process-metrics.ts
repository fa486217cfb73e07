import { performance } from 'node:perf_hooks';
import type { StatsStore } from './stats-store.js';

/**
 * Declares what the process tells about itself: build, memory, CPU, event loop. Everything is read when it is scraped;
 * nothing runs in between.
 */
export function registerProcessMetrics(store: StatsStore, version: string): void {
  store
    .gauge({
      name: 'smg_build_info',
      help: 'Always 1; version of the gateway and of Node',
      labels: ['version', 'node'],
    })
    .with(version, process.version)
    .set(1);
  const startS = Math.round(performance.timeOrigin / 1000);
  store.gaugeCallback(
    { name: 'process_start_time_seconds', help: 'Start of the process, seconds since 1970' },
    () => startS,
  );
  const cpu = { name: 'process_cpu_seconds_total', help: 'CPU time of the process, user and system' };
  store.counterCallback(cpu, () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  store.gaugeCallback({ name: 'process_resident_memory_bytes', help: 'Memory in RAM' }, () =>
    process.memoryUsage.rss(),
  );
  const heap = { name: 'nodejs_heap_size_used_bytes', help: 'Heap of JavaScript in use' };
  store.gaugeCallback(heap, () => process.memoryUsage().heapUsed);
  registerLoopUtilization(store);
}

/** Share of the time since the last scrape that the event loop was busy: near 1 the gateway is the bottleneck. */
function registerLoopUtilization(store: StatsStore): void {
  let last = performance.eventLoopUtilization();
  store.gaugeCallback(
    { name: 'smg_event_loop_utilization', help: 'Busy share of the event loop since the last scrape, 0 to 1' },
    () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return Number.isFinite(utilization) ? utilization : 0;
    },
  );
}
