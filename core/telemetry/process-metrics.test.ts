import assert from 'node:assert/strict';
import { it } from 'node:test';
import { registerProcessMetrics } from './process-metrics.js';
import { renderPrometheus } from './prometheus-exposition.js';
import { StatsStore } from './stats-store.js';

it('process metrics are read at every scrape and have plausible values', () => {
  const store = new StatsStore();
  registerProcessMetrics(store, '1.2.3');
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(renderPrometheus(store))?.[1]);
  assert.match(renderPrometheus(store), /^smg_build_info\{version="1\.2\.3",node="v[0-9.]+"\} 1$/m);
  assert.match(renderPrometheus(store), /^# TYPE process_cpu_seconds_total counter$/m);
  assert.ok(value('process_resident_memory_bytes') > 10_000_000);
  assert.ok(value('nodejs_heap_size_used_bytes') > 1_000_000);
  assert.ok(Math.abs(value('process_start_time_seconds') - Date.now() / 1000) < 3600);
  const utilization = value('smg_event_loop_utilization');
  assert.ok(utilization >= 0 && utilization <= 1);
  const before = value('process_cpu_seconds_total');
  for (let i = 0; i < 3e7; i++) Math.sqrt(i);
  assert.ok(value('process_cpu_seconds_total') > before);
});
