import { Socket } from 'node:net';

/** One request of a long conversation and its head in one read. */
const READ_BUFFER_BYTES = 256 * 1024;

/** All sockets read into it: what came is used, or copied, before the event loop turns to the next. */
let readBuffer: Buffer | undefined;

/** What Node keeps of the `onread` option of a client socket, and does not offer for sockets that a server accepts. */
interface ReadBufferKeys {
  readonly buffer: symbol;
  readonly callback: symbol;
}
type Handle = { useUserBuffer?(buffer: Buffer): void };
type SocketInternals = Record<symbol, unknown> & { _handle?: Handle | null };

/** Gets bytes that are valid during the call. */
export type ReadCallback = (this: Socket, bytesRead: number, buffer: Buffer) => boolean;

const KEYS = findKeys();

/**
 * Makes an accepted clear-text socket read into memory that all of them share, as `onread` does for `net.connect`: no
 * fresh 64 KiB for each read. False, with nothing changed, where this Node does not have it (or, on Windows, fills the
 * buffers of several sockets at a time): then there are `data` events.
 */
export function shareReadBuffer(socket: Socket, callback: ReadCallback): boolean {
  const internals = socket as unknown as SocketInternals;
  const handle = internals._handle;
  if (KEYS === undefined || typeof handle?.useUserBuffer !== 'function') return false;
  readBuffer ??= Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  internals[KEYS.buffer] = readBuffer;
  internals[KEYS.callback] = callback;
  handle.useUserBuffer(readBuffer);
  return true;
}

/** Before the socket goes to somebody with readers of their own (`node:http2`). */
export function unshareReadBuffer(socket: Socket): void {
  if (KEYS === undefined) return;
  const internals = socket as unknown as SocketInternals;
  internals[KEYS.buffer] = null;
  internals[KEYS.callback] = null;
}

function findKeys(): ReadBufferKeys | undefined {
  if (process.platform === 'win32') return undefined;
  const symbols = Object.getOwnPropertySymbols(new Socket());
  const named = (name: string): symbol | undefined => symbols.find((symbol) => symbol.description === name);
  const [buffer, callback] = [named('kBuffer'), named('kBufferCb')];
  return buffer === undefined || callback === undefined ? undefined : { buffer, callback };
}
