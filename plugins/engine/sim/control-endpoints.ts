import { type Endpoint, infoEndpoint } from './endpoint.js';
import type { SimExchange } from './exchange.js';
import { RequestRejected } from './rejection.js';
import { readFlag } from './request-fields.js';
import { hashHeaders, type SimEngine } from './sim-engine.js';

/** Requests shown in `/sim/state`. */
const SHOWN_REQUESTS = 16;

/** The simulator's own paths, on every runtime. */
export const CONTROL_ENDPOINTS: readonly Endpoint[] = [
  infoEndpoint('GET', '/health', (engine, exchange) => {
    exchange.sendBytes(engine.healthy ? 200 : 503, 'text/plain', Buffer.alloc(0));
  }),
  infoEndpoint('GET', '/sim/state', sendState),
  infoEndpoint('POST', '/sim/fault', (engine, exchange) => {
    const { fault } = exchange.json();
    if (fault !== null && typeof fault !== 'string') throw new RequestRejected(400, 'fault: text or null', 'fault');
    try {
      engine.setFault(fault ?? undefined);
    } catch (error) {
      throw new RequestRejected(400, (error as Error).message, 'fault');
    }
    exchange.sendJson(200, { fault });
    engine.onFaultChange?.();
  }),
  infoEndpoint('POST', '/sim/health', (engine, exchange) => {
    engine.healthy = readFlag(exchange.json(), 'healthy');
    exchange.sendJson(200, { healthy: engine.healthy });
  }),
];

function sendState(engine: SimEngine, exchange: SimExchange): void {
  const { loads, totals, ...counts } = engine.stats();
  const nowMs = engine.clock.monotonicMs();
  const requests = engine
    .requests()
    .slice(-SHOWN_REQUESTS)
    .map((request) => ({
      method: request.method,
      path: request.path,
      headers_hash: hashHeaders(request.headers),
      body_bytes: request.body.length,
      age_ms: nowMs - request.atMs,
    }));
  exchange.sendJson(200, {
    name: engine.config.name,
    healthy: engine.healthy,
    fault: engine.fault ?? null,
    received: counts.received,
    in_flight: counts.inFlight,
    completed: counts.completed,
    aborted: counts.aborted,
    faulted: counts.faulted,
    last_abort_age_ms: counts.lastAbortMs === undefined ? null : nowMs - counts.lastAbortMs,
    running: loads.running,
    waiting: loads.waiting,
    used_tokens: loads.usedTokens,
    idle_cache_tokens: loads.idleCacheTokens,
    totals,
    requests,
  });
}
