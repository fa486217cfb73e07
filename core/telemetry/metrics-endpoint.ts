import { ResponseHeaders } from '../api/headers.js';
import type {
  BoundServer,
  HttpServers,
  ServerStream,
  ServerStreamAcceptor,
  ServerStreamHandler,
} from '../api/http-server.js';
import { PROMETHEUS_CONTENT_TYPE, renderPrometheus } from './prometheus-exposition.js';
import type { StatsStore } from './stats-store.js';

/** Nothing that arrives after the head matters: the answer is already out. */
const IGNORE_REST: ServerStreamHandler = {
  onData() {},
  onTrailers() {},
  onReset() {},
  onAboveWriteBufferHighWatermark() {},
  onBelowWriteBufferLowWatermark() {},
};

/** Serves `GET /metrics` (and HEAD) from the store: 404 for other paths, 405 for other methods. No authentication. */
export function createMetricsAcceptor(store: StatsStore): ServerStreamAcceptor {
  return (stream, headers) => {
    const query = headers.path.indexOf('?');
    const path = query < 0 ? headers.path : headers.path.slice(0, query);
    if (path !== '/metrics') answer(stream, 404, 'text/plain', 'not found\n', headers.method);
    else if (headers.method !== 'GET' && headers.method !== 'HEAD') {
      answer(stream, 405, 'text/plain', 'method not allowed\n', headers.method);
    } else answer(stream, 200, PROMETHEUS_CONTENT_TYPE, renderPrometheus(store), headers.method);
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

function answer(stream: ServerStream, status: number, contentType: string, text: string, method: string): void {
  const body = Buffer.from(text, 'utf8');
  const headers = new ResponseHeaders(status, ['content-type', contentType, 'content-length', String(body.length)]);
  if (status === 405) headers.append('allow', 'GET, HEAD');
  const endStream = method === 'HEAD';
  stream.encodeHeaders(headers, endStream);
  if (!endStream) stream.encodeData(body, true);
}
