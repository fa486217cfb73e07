import type { BoundServer, HttpServers, ServerStreamAcceptor } from '../api/http-server.js';
import { IGNORE_REST, sendPlain } from './plain-answer.js';
import { PROMETHEUS_CONTENT_TYPE, renderPrometheus } from './prometheus-exposition.js';
import type { StatsStore } from './stats-store.js';

/** Serves `GET /metrics` (and HEAD) from the store: 404 for other paths, 405 for other methods. No authentication. */
export function createMetricsAcceptor(store: StatsStore): ServerStreamAcceptor {
  return (stream, { method, path: target }) => {
    const query = target.indexOf('?');
    const path = query < 0 ? target : target.slice(0, query);
    if (path !== '/metrics') sendPlain(stream, method, 404, 'text/plain', 'not found\n');
    else if (method !== 'GET' && method !== 'HEAD') {
      sendPlain(stream, method, 405, 'text/plain', 'method not allowed\n');
    } else sendPlain(stream, method, 200, PROMETHEUS_CONTENT_TYPE, renderPrometheus(store));
    return IGNORE_REST;
  };
}

/** Binds the metrics listener. Port 0 takes a free one. Rejects with a message that names the address. */
export async function openMetricsEndpoint(
  servers: HttpServers,
  address: { host: string; port: number },
  store: StatsStore,
): Promise<BoundServer> {
  try {
    return await servers.listen(address, createMetricsAcceptor(store));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`failed to bind metrics server on ${address.host}:${address.port}: ${reason}`, { cause: error });
  }
}
