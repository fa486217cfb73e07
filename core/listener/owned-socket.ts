import type { Socket } from 'node:net';
import { shareReadBuffer, unshareReadBuffer } from './read-buffer.js';

/** What the events of a socket are for; kept on the socket so that no event needs a closure. */
export interface SocketOwner {
  /** `chunk` is only valid during the call. */
  onData(chunk: Buffer): void;
  onDrain(): void;
  onEnd(): void;
  onClose(): void;
}
/** A socket after {@link own}. */
export interface OwnedSocket extends Socket {
  smgOwner: SocketOwner;
}

/** From now on the events of the socket go to `owner`. `fresh`: just accepted, in clear text, nothing read of it yet. */
export function own(socket: Socket, owner: SocketOwner, fresh: boolean): void {
  (socket as OwnedSocket).smgOwner = owner;
  if (!fresh || !shareReadBuffer(socket, onRead)) socket.on('data', onData);
  socket.on('drain', onDrain);
  socket.on('end', onEnd);
  socket.on('error', ignore);
  socket.on('close', onClose);
}

/** The socket goes to somebody else, paused. */
export function disown(socket: Socket): void {
  socket.off('data', onData);
  unshareReadBuffer(socket);
  socket.off('drain', onDrain);
  socket.off('end', onEnd);
  socket.off('error', ignore);
  socket.off('close', onClose);
  socket.pause();
}

function onData(this: OwnedSocket, chunk: Buffer): void {
  this.smgOwner.onData(chunk);
}

function onRead(this: Socket, bytesRead: number, buffer: Buffer): boolean {
  (this as OwnedSocket).smgOwner.onData(buffer.subarray(0, bytesRead));
  return true;
}

function onDrain(this: OwnedSocket): void {
  this.smgOwner.onDrain();
}

function onEnd(this: OwnedSocket): void {
  this.smgOwner.onEnd();
}

function onClose(this: OwnedSocket): void {
  this.smgOwner.onClose();
}

/** An error of the socket is followed by `close`, which is what we act on. */
export function ignore(): void {}
