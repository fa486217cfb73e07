import { connect, type Socket } from 'node:net';
import { type AnswerCheck, createAnswerCheck } from './answer-check.js';
import { writeSequence } from './answers.js';
import { createChatRequest } from './chat-request.js';
import type { LoadJob, LoadTally } from './load-tally.js';

const HEAD_END = Buffer.from('\r\n\r\n', 'latin1');
const LF = 10;
const READ_BUFFER_BYTES = 256 * 1024;

/** Where in an answer the reader stands. */
const State = { Idle: 0, Head: 1, Body: 2, ChunkSize: 3, ChunkData: 4, ChunkEnd: 5, Trailers: 6 } as const;
type State = (typeof State)[keyof typeof State];

/** Hands out request numbers and hears when a connection has nothing left to do. */
export interface LoadLoop {
  nextSequence(): number;
  onConnectionOpen(): void;
  onConnectionDone(): void;
}

/**
 * One keep-alive connection of the load client. Costs little on purpose: the request is one buffer built beforehand,
 * all connections share one read buffer, and answers are compared in place.
 */
export class Http1LoadConnection {
  readonly #job: LoadJob;
  readonly #tally: LoadTally;
  readonly #loop: LoadLoop;
  readonly #readBuffer: Buffer;
  readonly #check: AnswerCheck;
  readonly #request: Buffer;
  readonly #sequenceOffset: number;
  #socket: Socket;
  #state: State;
  #head: string;
  #remaining: number;
  #lineLength: number;
  #sentMs: number;
  #events: number;
  #closeAfterAnswer: boolean;
  #isDone: boolean;

  constructor(job: LoadJob, tally: LoadTally, loop: LoadLoop, readBuffer: Buffer) {
    this.#job = job;
    this.#tally = tally;
    this.#loop = loop;
    this.#readBuffer = readBuffer;
    this.#check = createAnswerCheck(job.check, job.answer);
    const { body, sequenceOffset } = createChatRequest(job.bodyBytes, job.answer);
    const head = createRequestHead(job, body.length);
    this.#request = Buffer.concat([head, body]);
    this.#sequenceOffset = head.length + sequenceOffset;
    this.#state = State.Idle;
    this.#head = '';
    this.#remaining = 0;
    this.#lineLength = 0;
    this.#sentMs = 0;
    this.#events = 0;
    this.#closeAfterAnswer = false;
    this.#isDone = false;
    this.#socket = this.#open(() => loop.onConnectionOpen());
  }

  /** Sends the next request; the answer before must be complete. */
  send(nowMs: number): void {
    const sequence = this.#loop.nextSequence();
    writeSequence(this.#request, this.#sequenceOffset, sequence);
    this.#check.begin(sequence);
    this.#state = State.Head;
    this.#events = 0;
    this.#sentMs = nowMs;
    this.#socket.write(this.#request);
  }

  /** Closes the socket; an answer that is still missing counts as a failure. */
  close(): void {
    if (!this.#isDone) this.#fail('no answer before the end of the case');
  }

  #open(onOpen: () => void): Socket {
    const socket = connect({
      host: '127.0.0.1',
      port: this.#job.port,
      noDelay: true,
      onread: {
        buffer: this.#readBuffer,
        callback: (length) => {
          this.#read(this.#readBuffer, length);
          return true;
        },
      },
    });
    socket.once('connect', onOpen);
    socket.once('error', (error) => this.#fail(`connection: ${error.message}`));
    socket.once('close', () => this.#onClose(socket));
    return socket;
  }

  #onClose(socket: Socket): void {
    if (this.#isDone || socket !== this.#socket) return;
    if (this.#state !== State.Idle) this.#fail('connection closed before the answer was complete');
  }

  #reopen(): void {
    this.#closeAfterAnswer = false;
    this.#tally.reconnects++;
    const old = this.#socket;
    this.#socket = this.#open(() => this.#next());
    old.destroy();
  }

  #read(bytes: Buffer, end: number): void {
    let at = 0;
    while (at < end && !this.#isDone) {
      switch (this.#state) {
        case State.Head:
          at = this.#readHead(bytes, at, end);
          break;
        case State.Body:
        case State.ChunkData:
          at = this.#readPayload(bytes, at, end);
          break;
        case State.ChunkSize:
          at = this.#readChunkSize(bytes, at, end);
          break;
        case State.ChunkEnd:
        case State.Trailers:
          at = this.#readLine(bytes, at, end);
          break;
        case State.Idle:
          this.#fail('bytes after the answer');
          return;
      }
    }
  }

  #readHead(bytes: Buffer, at: number, end: number): number {
    const known = this.#head.length;
    if (known === 0) {
      const close = bytes.indexOf(HEAD_END, at);
      if (close !== -1 && close + 4 <= end) {
        this.#startBody(bytes.toString('latin1', at, close));
        return close + 4;
      }
    }
    this.#head += bytes.toString('latin1', at, end);
    const close = this.#head.indexOf('\r\n\r\n');
    if (close === -1) return end;
    const head = this.#head.slice(0, close);
    this.#head = '';
    this.#startBody(head);
    return at + close + 4 - known;
  }

  #startBody(head: string): void {
    if (!head.startsWith('HTTP/1.1 200')) {
      this.#fail(`answer: ${head.slice(0, 120)}`);
      return;
    }
    const fields = `${head.toLowerCase()}\r\n`;
    this.#closeAfterAnswer = fields.includes('\r\nconnection: close\r\n');
    const length = /\r\ncontent-length: *(\d+) *\r\n/.exec(fields);
    const isChunked = /\r\ntransfer-encoding: *chunked *\r\n/.test(fields);
    if ((length === null) !== isChunked) {
      this.#fail('answer without one clear length');
    } else if (isChunked) {
      this.#remaining = 0;
      this.#state = State.ChunkSize;
      this.#lineLength = 0;
    } else {
      this.#remaining = Number(length?.[1]);
      this.#state = State.Body;
      if (this.#remaining === 0) this.#finish();
    }
  }

  #readPayload(bytes: Buffer, at: number, end: number): number {
    const stop = Math.min(end, at + this.#remaining);
    this.#remaining -= stop - at;
    this.#check.accept(bytes, at, stop);
    if (this.#check.events > this.#events) this.#countEvents();
    if (this.#remaining > 0) return stop;
    if (this.#state === State.Body) this.#finish();
    else {
      this.#state = State.ChunkEnd;
      this.#lineLength = 0;
    }
    return stop;
  }

  #countEvents(): void {
    const now = performance.now();
    if (this.#events === 0) this.#tally.recordFirstEvent(this.#sentMs, now);
    this.#tally.recordEvents(this.#check.events - this.#events, now);
    this.#events = this.#check.events;
  }

  #readChunkSize(bytes: Buffer, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte === LF) {
        this.#lineLength = 0;
        this.#state = this.#remaining === 0 ? State.Trailers : State.ChunkData;
        return at + 1;
      }
      const digit = hexDigit(byte);
      if (digit >= 0) this.#remaining = this.#remaining * 16 + digit;
      else if (byte !== 13) this.#fail('bad chunk size');
    }
    return end;
  }

  /** The line end after a chunk, or a trailer line; an empty trailer line ends the answer. */
  #readLine(bytes: Buffer, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte === LF) {
        const isEmpty = this.#lineLength === 0;
        this.#lineLength = 0;
        if (this.#state === State.ChunkEnd) this.#state = State.ChunkSize;
        else if (isEmpty) this.#finish();
        return at + 1;
      }
      if (byte !== 13) this.#lineLength++;
    }
    return end;
  }

  #finish(): void {
    this.#state = State.Idle;
    const problem = this.#check.finish();
    if (problem !== undefined) {
      this.#fail(problem);
      return;
    }
    const now = performance.now();
    this.#tally.recordAnswer(this.#sentMs, now);
    if (this.#closeAfterAnswer && !this.#tally.isOver(now)) this.#reopen();
    else this.#next();
  }

  #next(): void {
    const now = performance.now();
    if (this.#tally.isOver(now)) this.#end();
    else this.send(now);
  }

  #fail(reason: string): void {
    if (this.#isDone) return;
    this.#tally.fail(reason);
    this.#end();
  }

  #end(): void {
    this.#isDone = true;
    this.#socket.destroy();
    this.#loop.onConnectionDone();
  }
}

/** One buffer for all connections: what was read is used before the next read. */
export function createReadBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
}

function createRequestHead(job: LoadJob, bodyBytes: number): Buffer {
  const lines = [
    'POST /v1/chat/completions HTTP/1.1',
    `host: 127.0.0.1:${job.port}`,
    'user-agent: smg-bench/1',
    `accept: ${job.answer === 'chat' ? 'application/json' : 'text/event-stream'}`,
    'authorization: Bearer bench',
    'content-type: application/json',
    `content-length: ${bodyBytes}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
