import { ResponseHeaders } from '../api/headers.js';
import type { ServerStream, ServerStreamHandler } from '../api/http-server.js';

/** For a request that was answered when its head came: nothing that arrives after it matters. */
export const IGNORE_REST: ServerStreamHandler = {
  onData() {},
  onTrailers() {},
  onReset() {},
  onAboveWriteBufferHighWatermark() {},
  onBelowWriteBufferLowWatermark() {},
};

/** A whole small answer of an endpoint that has no filter chain and takes GET and HEAD: metrics, probes. */
export function sendPlain(
  stream: ServerStream,
  method: string,
  status: number,
  contentType: string,
  text: string,
): void {
  const body = Buffer.from(text, 'utf8');
  const headers = new ResponseHeaders(status, ['content-type', contentType, 'content-length', String(body.length)]);
  if (status === 405) headers.append('allow', 'GET, HEAD');
  const endStream = method === 'HEAD';
  stream.encodeHeaders(headers, endStream);
  if (!endStream) stream.encodeData(body, true);
}
