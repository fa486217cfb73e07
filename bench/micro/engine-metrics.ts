/**
 * What reading the load from an engine's metrics page costs: a page of 300 KiB, as vLLM's is with its histograms.
 * Run: `node --import tsx bench/micro/engine-metrics.ts`.
 */
import { readEngineMetrics } from '../../core/cluster/engine-metrics.js';
import { printCases } from './run.js';

const LABELS = 'engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"';
const PAGE_BYTES = 300 * 1024;

/** Gauges first, as vLLM writes them, then histograms until the page is full. */
function createPage(): Buffer {
  let page = '# HELP python_gc_objects_collected_total Objects collected during gc\n';
  for (const [name, value] of [
    ['num_requests_running', '12.0'],
    ['num_requests_waiting', '3.0'],
    ['kv_cache_usage_perc', '0.4375'],
  ]) {
    page += `# HELP vllm:${name} Help.\n# TYPE vllm:${name} gauge\nvllm:${name}{${LABELS}} ${value}\n`;
  }
  for (let histogram = 0; page.length < PAGE_BYTES; histogram++) {
    const name = `vllm:request_time_${histogram}_seconds`;
    page += `# HELP ${name} Histogram.\n# TYPE ${name} histogram\n`;
    for (let le = 1; le <= 20; le++) page += `${name}_bucket{${LABELS},le="${le / 4}"} ${le * 17}.0\n`;
    page += `${name}_count{${LABELS}} 340.0\n${name}_sum{${LABELS}} 912.25\n`;
  }
  return Buffer.from(page);
}

const page = createPage();
printCases(`load from a page of ${Math.round(page.length / 1024)} KiB`, [
  { name: 'readEngineMetrics', run: () => readEngineMetrics(page, 'vllm') },
  { name: 'decoding the page as UTF-8 alone', run: () => page.toString('utf8') },
]);
