import type { Socket } from 'node:net';
import { type HeaderMap, RequestHeaders } from '../api/headers.js';
import type { ServerStreamHandler, StreamResetReason } from '../api/http-server.js';
import type { ValueOf } from '../api/scalars.js';
import { BodyDecoder, type BodySink } from '../http1/body-decoder.js';
import { BodyFraming, HeadParser, requestBodyFraming } from '../http1/head-parser.js';
import { CONTINUE_HEAD } from '../http1/head-writer.js';
import { Http1ProtocolError } from '../http1/protocol-error.js';
import type { ConnectionHost, ServerConnection } from './connection-host.js';
import { encodeErrorAnswer } from './error-answer.js';
import { Http1Stream } from './http1-stream.js';
import { SocketWriter, type WriteWatermarks } from './socket-writer.js';

/** What the next byte from the client is. */
const State = {
  /** Of a request head, or nothing yet. */
  Head: 0,
  Body: 1,
  /** Of a later request, while one is being answered. */
  Waiting: 2,
  /** Nobody's: the last answer is on its way and the client may still be sending. */
  Lingering: 3,
  Closed: 4,
} as const;
type State = ValueOf<typeof State>;

/** What a connection waits for; each has its own limit. */
const Phase = { Head: 0, Idle: 1, Body: 2, Write: 3, Linger: 4, Busy: 5 } as const;
type Phase = ValueOf<typeof Phase>;

/** Bytes of later requests that are taken while one is being answered. Past it the socket is not read. */
const MAX_BACKLOG_BYTES = 64 * 1024;
/** Rest of a body that is worth reading to keep a connection whose request was answered early. */
const MAX_DRAINED_BODY_BYTES = 64 * 1024;
/** How long and how much a closing connection reads, so that the client gets its answer and not a reset. */
const LINGER_MS = 2000;
const MAX_LINGER_BYTES = 1024 * 1024;

/**
 * One HTTP/1 connection: one request after the other. While a request is being answered later ones stay unparsed.
 *
 * A FIN from the client ends the request that is being answered. HTTP would allow a client to close its sending side
 * and still read; but the FIN of a client that has gone away looks the same, and a gateway that cannot tell them apart
 * would let an engine generate for nobody. So the socket is read all the time, and there are no half-open clients.
 */
export class Http1Connection implements ServerConnection, BodySink, WriteWatermarks {
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #writer: SocketWriter;
  readonly #parser: HeadParser;
  readonly #decoder = new BodyDecoder();
  readonly #remoteAddress: string;
  #state: State = State.Head;
  #stream: Http1Stream | undefined = undefined;
  #handler: ServerStreamHandler | undefined = undefined;
  #requests = 0;
  #consuming = false;
  #backlog: Buffer[] = [];
  #backlogBytes = 0;
  #readDisables = 0;
  #paused = false;
  #awaitsContinue = false;
  /** The body's announced length, -1 when it is chunked. */
  #bodyLength = 0;
  #bodyBytes = 0;
  #lingerBytes = 0;
  #sweptPhase: Phase = Phase.Busy;
  #sinceMs = 0;
  #progressed = true;
  #queueSize = 0;

  constructor(socket: Socket, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
    this.#writer = new SocketWriter(socket, host, this);
    this.#parser = new HeadParser('request', host.limits);
    this.#remoteAddress = socket.remoteAddress ?? '';
  }

  get idle(): boolean {
    return this.#state === State.Head && !this.#parser.started;
  }

  /** `Date` line for answers. */
  get dateLine(): string {
    return this.#host.dateLine;
  }

  /** Bytes from the socket, valid during the call. */
  onData(chunk: Buffer): void {
    if (this.#state === State.Lingering) this.#discard(chunk.length);
    else if (this.#state !== State.Closed) this.#consume(chunk);
  }

  /** The socket's `drain` event. */
  onDrain(): void {
    this.#writer.onDrain();
  }

  /** FIN from the client. */
  onEnd(): void {
    if (this.#stream !== undefined) this.#fail('client_closed');
    else if (this.#state === State.Lingering) this.#socket.destroy();
    else if (this.#state !== State.Closed) this.#close();
  }

  /** The socket is gone. */
  onClose(): void {
    this.#detach('client_closed');
    this.#state = State.Closed;
    this.#backlog = [];
    this.#host.remove(this);
  }

  drain(): void {
    if (this.idle) this.#close();
  }

  destroy(): void {
    this.#fail('shutdown');
  }

  onBodyBytes(bytes: Buffer, _framed: Buffer | undefined, last: boolean): void {
    this.#progressed = true;
    this.#bodyBytes += bytes.length;
    if (this.#stream !== undefined) this.#handler?.onData(bytes, last);
  }

  onBodyTrailers(trailers: HeaderMap): void {
    this.#progressed = true;
    if (this.#stream !== undefined) this.#handler?.onTrailers(trailers);
  }

  onAboveHighWatermark(): void {
    if (this.#stream !== undefined) this.#handler?.onAboveWriteBufferHighWatermark();
  }

  onBelowLowWatermark(): void {
    if (this.#stream !== undefined) this.#handler?.onBelowWriteBufferLowWatermark();
  }

  /** For the stream: see {@link ServerStream.readDisable}. */
  readDisable(disable: boolean): void {
    this.#readDisables += disable ? 1 : -1;
    this.#updateReading();
    if (this.#readDisables === 0) this.#sendContinue();
  }

  /** For the stream, when it writes its head: whether the connection must not be used after it. */
  mustCloseAfter(): boolean {
    if (this.#host.draining) return true;
    const most = this.#host.limits.maxRequestsPerConnection;
    if (most > 0 && this.#requests >= most) return true;
    if (this.#decoder.complete) return false;
    // Nobody knows whether a client that was not told to continue sends its body; else a short rest is just read.
    return this.#awaitsContinue || this.#bodyLength < 0 || this.#bodyLength - this.#bodyBytes > MAX_DRAINED_BODY_BYTES;
  }

  /** For the stream: its answer is complete. */
  endResponse(stream: Http1Stream): void {
    this.#release();
    this.#progressed = true;
    if (stream.closeAfter) {
      this.#close();
      return;
    }
    // Answered while its request was being read: the end of the tick is near, and more answers may come before it.
    if (!this.#consuming) this.#writer.flush();
    if (!this.#decoder.complete) {
      this.#updateReading();
      return;
    }
    this.#state = State.Head;
    if (!this.#consuming) this.#resumeBacklog();
  }

  /** For the stream: it was reset by us. */
  abort(stream: Http1Stream): void {
    if (stream !== this.#stream) return;
    const mustNotLookComplete = stream.endsWithConnection;
    this.#release();
    this.#writer.flush();
    this.#state = State.Closed;
    this.#decoder.stop();
    this.#cut(mustNotLookComplete);
  }

  /** For the stream: a scripted fault; see {@link ServerStream.breakConnection}. */
  breakOff(stream: Http1Stream, bytes: Buffer | undefined, how: 'end' | 'reset'): void {
    if (stream !== this.#stream) return;
    this.#release();
    if (bytes !== undefined) this.#writer.writeBytes(bytes);
    this.#writer.flush();
    this.#state = State.Closed;
    this.#decoder.stop();
    if (how === 'reset') this.#socket.resetAndDestroy();
    else this.#socket.end();
  }

  sweep(nowMs: number): void {
    const phase = this.#phase();
    if (this.#progressed || phase !== this.#sweptPhase) {
      this.#progressed = false;
      this.#sweptPhase = phase;
      this.#sinceMs = nowMs;
      return;
    }
    const limits = this.#host.limits;
    const waitedMs = nowMs - this.#sinceMs;
    if (phase === Phase.Linger && waitedMs >= LINGER_MS) this.#socket.destroy();
    else if (phase === Phase.Write && exceeds(waitedMs, limits.writeStallMs)) this.#fail('write_stalled');
    else if (phase === Phase.Idle && exceeds(waitedMs, limits.keepAliveMs)) this.#close();
    else if (phase === Phase.Head && exceeds(waitedMs, limits.headMs)) this.#onSlowHead();
    else if (phase === Phase.Body && exceeds(waitedMs, limits.bodyStallMs)) {
      this.#failWithAnswer('body_stalled', 408, 'request_body_stalled', 'The request body made no progress');
    }
  }

  #phase(): Phase {
    if (this.#writer.unsentBytes > 0) {
      const queueSize = kernelQueueSize(this.#socket);
      if (queueSize !== this.#queueSize) this.#progressed = true;
      this.#queueSize = queueSize;
      return Phase.Write;
    }
    if (this.#state === State.Lingering) return Phase.Linger;
    if (this.#state === State.Body && this.#readDisables === 0) return Phase.Body;
    if (this.#state !== State.Head) return Phase.Busy;
    return this.#parser.started || this.#requests === 0 ? Phase.Head : Phase.Idle;
  }

  #consume(chunk: Buffer): void {
    this.#consuming = true;
    let at = 0;
    try {
      while (at < chunk.length) {
        if (this.#state === State.Head) {
          at += this.#parser.parse(chunk, at);
          if (this.#parser.complete) this.#openStream(at === chunk.length);
        } else if (this.#state === State.Body) {
          this.#awaitsContinue = false;
          at += this.#decoder.decode(chunk, at, this);
          if (this.#decoder.complete && this.#state === State.Body) this.#onBodyEnd();
        } else {
          if (this.#state === State.Waiting) this.#keepForLater(at === 0 ? chunk : chunk.subarray(at));
          break;
        }
      }
    } catch (error) {
      if (!(error instanceof Http1ProtocolError)) throw error;
      this.#onProtocolError(error);
    } finally {
      this.#consuming = false;
    }
  }

  #openStream(noBytesFollow: boolean): void {
    const head = this.#parser;
    const framing = requestBodyFraming(head);
    this.#decoder.start(framing, head.contentLength);
    const hasBody = framing !== BodyFraming.None;
    this.#bodyLength = framing === BodyFraming.Chunked ? -1 : head.contentLength;
    this.#bodyBytes = 0;
    this.#awaitsContinue = hasBody && head.expectContinue;
    this.#state = hasBody ? State.Body : State.Waiting;
    this.#requests++;
    this.#progressed = true;
    const protocol = head.minorVersion === 1 ? 'HTTP/1.1' : 'HTTP/1.0';
    const isHead = head.method === 'HEAD';
    const stream = new Http1Stream(this, this.#writer, this.#remoteAddress, protocol, isHead, !head.keepAlive);
    const headers = new RequestHeaders(head.method, head.path, head.authority, this.#host.scheme, head.flat);
    head.reset();
    this.#stream = stream;
    const handler = this.#host.accept(stream, headers, !hasBody);
    // Answered, or reset, within the call: nothing is left to tell.
    if (this.#stream !== stream) return;
    this.#handler = handler;
    if (this.#writer.above) handler.onAboveWriteBufferHighWatermark();
    if (noBytesFollow) this.#sendContinue();
  }

  /** Once somebody reads the body, unless an answer made it superfluous. */
  #sendContinue(): void {
    const stream = this.#stream;
    if (!this.#awaitsContinue || stream === undefined || stream.headSent || this.#readDisables > 0) return;
    if (this.#handler === undefined) return;
    this.#awaitsContinue = false;
    this.#writer.writeText(CONTINUE_HEAD);
  }

  #onBodyEnd(): void {
    this.#state = this.#stream === undefined ? State.Head : State.Waiting;
    this.#updateReading();
  }

  #keepForLater(bytes: Buffer): void {
    this.#backlog.push(Buffer.from(bytes));
    this.#backlogBytes += bytes.length;
    this.#updateReading();
  }

  #resumeBacklog(): void {
    if (this.#backlogBytes > 0) {
      const bytes = this.#backlog.length === 1 ? (this.#backlog[0] as Buffer) : Buffer.concat(this.#backlog);
      this.#backlog = [];
      this.#backlogBytes = 0;
      this.#consume(bytes);
    }
    this.#updateReading();
    if (this.idle && this.#host.draining) this.#close();
  }

  #updateReading(): void {
    const bodyHeld = this.#state === State.Body && this.#readDisables > 0;
    const pause = bodyHeld || this.#backlogBytes > MAX_BACKLOG_BYTES;
    if (pause === this.#paused || this.#state === State.Closed) return;
    this.#paused = pause;
    if (pause) this.#socket.pause();
    else this.#socket.resume();
  }

  #onProtocolError(error: Http1ProtocolError): void {
    this.#failWithAnswer('protocol_error', error.status, 'invalid_request', error.message);
  }

  #onSlowHead(): void {
    if (!this.#parser.started) this.#close();
    else this.#failWithAnswer('protocol_error', 408, 'request_timeout', 'The request head did not arrive in time');
  }

  /** Ends everything that was going on; where no answer has begun, the client is told why. */
  #failWithAnswer(reason: StreamResetReason, status: number, code: string, message: string): void {
    const unanswered = this.#stream === undefined ? this.#state === State.Head : !this.#stream.headSent;
    if (!unanswered) {
      this.#fail(reason);
      return;
    }
    this.#detach(reason);
    this.#writer.writeBytes(encodeErrorAnswer(status, code, message, this.#host.dateLine));
    this.#linger();
  }

  /** The connection is of no further use to anybody. */
  #fail(reason: StreamResetReason): void {
    const mustNotLookComplete = this.#stream?.endsWithConnection === true;
    this.#detach(reason);
    this.#state = State.Closed;
    this.#cut(mustNotLookComplete);
  }

  /** A reset where the end of the connection would pass for the end of the answer; only bare TCP knows one. */
  #cut(byReset: boolean): void {
    if (byReset && this.#host.scheme === 'http' && this.#remoteAddress !== '') this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  /** Ends the stream from the outside and tells its handler. */
  #detach(reason: StreamResetReason): void {
    const handler = this.#handler;
    if (this.#stream === undefined) return;
    this.#release();
    this.#decoder.stop();
    handler?.onReset(reason);
  }

  #release(): void {
    this.#stream?.detach();
    this.#stream = undefined;
    this.#handler = undefined;
    this.#readDisables = 0;
  }

  /** Sends what is left and closes; the client's FIN, or a short while, ends it. */
  #close(): void {
    if (this.#state === State.Closed || this.#state === State.Lingering) return;
    this.#linger();
  }

  #linger(): void {
    this.#state = State.Lingering;
    this.#decoder.stop();
    this.#backlog = [];
    this.#backlogBytes = 0;
    this.#updateReading();
    this.#writer.flush();
    this.#socket.end();
  }

  #discard(bytes: number): void {
    this.#lingerBytes += bytes;
    if (this.#lingerBytes > MAX_LINGER_BYTES) this.#socket.destroy();
  }
}

function exceeds(waitedMs: number, limitMs: number): boolean {
  return limitMs > 0 && waitedMs >= limitMs;
}

/**
 * Bytes that libuv still holds of a write. net.Socket asks the same field before it lets a write time out; a public
 * number that shrinks while one large write is under way does not exist.
 */
function kernelQueueSize(socket: Socket): number {
  return (socket as { _handle?: { writeQueueSize?: number } })._handle?.writeQueueSize ?? socket.writableLength;
}
