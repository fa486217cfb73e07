import { formatTrailers } from './head-writer.js';
import { latin1Bytes } from './latin1.js';

/** Ends a chunked body without trailers. */
export const LAST_CHUNK = Buffer.from('0\r\n\r\n');
/** Follows the payload of a chunk. */
export const CHUNK_END = Buffer.from('\r\n');

/** Size line of a chunk, as latin1 text. `length` is above 0: a chunk of no bytes would end the body. */
export function formatChunkSize(length: number): string {
  return `${length.toString(16)}\r\n`;
}

/** One chunk in one new buffer; for payloads that are cheap to copy. `bytes` is not empty. */
export function encodeChunk(bytes: Buffer): Buffer {
  const size = formatChunkSize(bytes.length);
  const chunk = Buffer.allocUnsafe(size.length + bytes.length + 2);
  chunk.latin1Write(size, 0, size.length);
  chunk.set(bytes, size.length);
  chunk[chunk.length - 2] = 13;
  chunk[chunk.length - 1] = 10;
  return chunk;
}

/** Last chunk with a trailer section, names and values as in a HeaderMap. Throws BugError for unwritable fields. */
export function encodeLastChunk(trailers: readonly string[]): Buffer {
  return trailers.length === 0 ? LAST_CHUNK : latin1Bytes(`0\r\n${formatTrailers(trailers)}\r\n`);
}
