/**
 * Program: a worker that costs next to nothing, on two ports, so that a measurement shows the gateway. It refuses, and
 * counts, whatever a gateway should not have sent. Answers are chosen by the mark at the end of the prompt.
 */
import { createServer, type Socket } from 'node:net';
import {
  BURST_EVENTS_PER_WRITE,
  CHAT_ANSWER,
  MODEL,
  PACE_MS,
  SEQUENCE_DIGITS,
  STREAM_ANSWER,
  STREAM_EVENT_TEXTS,
} from './answers.js';
import { findPromptTail } from './chat-request.js';
import { type ParsedRequest, RequestAssembler } from './request-assembler.js';

/** Counters since they were last asked for. */
export interface WorkerReport {
  /** Port of each of the two workers. */
  readonly ports: readonly number[];
  /** Chat requests by worker. */
  readonly requests: readonly number[];
  /** Requests for anything but chat: health checks and the like. */
  readonly otherRequests: number;
  readonly connections: number;
  /** Streams whose connection went away before the end. */
  readonly aborted: number;
  readonly malformed: number;
  readonly firstMalformed: string | undefined;
}

/** Every so many bodies one is parsed whole; parsing all of them would take the load core's time. */
const PARSE_EVERY = 64;
const SHORT_BODY_LIMIT_BYTES = 256;

const PLAIN_HEAD = 'server: bench-worker\r\ndate: Tue, 24 Nov 2026 10:00:00 GMT\r\n';

const CHAT_BYTES = encodeAnswer('200 OK', CHAT_ANSWER.bytes.toString('latin1'));
const CHAT_SEQUENCE_OFFSET = CHAT_BYTES.length - CHAT_ANSWER.bytes.length + CHAT_ANSWER.sequenceOffset;
const STREAM_HEAD = Buffer.from(
  `HTTP/1.1 200 OK\r\n${PLAIN_HEAD}content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n`,
  'latin1',
);
const EVENT_CHUNKS = STREAM_EVENT_TEXTS.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`);
const FIRST_CHUNK_SEQUENCE_OFFSET = STREAM_ANSWER.sequenceOffset + (EVENT_CHUNKS[0]?.indexOf('data:') ?? 0);
const PACED_WRITES = createWrites(1);
const BURST_WRITES = createWrites(BURST_EVENTS_PER_WRITE);

const INFORMATION: Readonly<Record<string, Buffer>> = {
  '/health': encodeAnswer('200 OK', '{}'),
  '/health_generate': encodeAnswer('200 OK', '{}'),
  '/v1/models': encodeAnswer('200 OK', JSON.stringify({ object: 'list', data: [{ id: MODEL, object: 'model' }] })),
  '/get_model_info': encodeAnswer('200 OK', JSON.stringify({ model_path: MODEL, is_generation: true })),
  '/model_info': encodeAnswer('200 OK', JSON.stringify({ model_path: MODEL, is_generation: true })),
  '/get_server_info': encodeAnswer('200 OK', JSON.stringify({ model_path: MODEL, served_model_name: MODEL })),
  '/server_info': encodeAnswer('200 OK', JSON.stringify({ model_path: MODEL, served_model_name: MODEL })),
  '/get_load': encodeAnswer('200 OK', '[{"dp_rank":0,"num_reqs":0,"num_waiting_reqs":0,"num_tokens":0}]'),
};
const NOT_FOUND = encodeAnswer('404 Not Found', '{"detail":"Not Found"}');
const REFUSED = encodeAnswer('400 Bad Request', '{"error":{"message":"the bench worker cannot read this request"}}');

function encodeAnswer(status: string, body: string): Buffer {
  const head = `HTTP/1.1 ${status}\r\n${PLAIN_HEAD}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  return Buffer.from(head + body, 'latin1');
}

/** The stream after its first event, as the buffers that one write each sends; the last one ends the answer. */
function createWrites(eventsPerWrite: number): Buffer[] {
  const writes: Buffer[] = [];
  for (let at = 0; at < EVENT_CHUNKS.length; at += eventsPerWrite) {
    const isLast = at + eventsPerWrite >= EVENT_CHUNKS.length;
    const chunks = EVENT_CHUNKS.slice(at, at + eventsPerWrite).join('');
    writes.push(Buffer.from(isLast ? `${chunks}0\r\n\r\n` : chunks, 'latin1'));
  }
  return writes;
}

class Counters {
  ports: number[] = [0, 0];
  requests: number[] = [0, 0];
  otherRequests = 0;
  connections = 0;
  aborted = 0;
  malformed = 0;
  firstMalformed: string | undefined = undefined;
  seen = 0;

  /** What was counted since the last call. */
  take(): WorkerReport {
    const { ports, requests, otherRequests, connections, aborted, malformed, firstMalformed } = this;
    this.requests = [0, 0];
    this.otherRequests = 0;
    this.connections = 0;
    this.aborted = 0;
    this.malformed = 0;
    this.firstMalformed = undefined;
    return { ports, requests, otherRequests, connections, aborted, malformed, firstMalformed };
  }
}

/** Streams take turns, one write each, as the batches of an engine do. */
class StreamScheduler {
  #bursts: WorkerConnection[] = [];
  readonly #paced: WorkerConnection[] = [];
  #isBurstScheduled = false;
  #timer: NodeJS.Timeout | undefined = undefined;

  add(connection: WorkerConnection, isPaced: boolean): void {
    if (isPaced) {
      this.#paced.push(connection);
      this.#schedulePaced(performance.now());
      return;
    }
    this.#bursts.push(connection);
    this.#scheduleBursts();
  }

  #scheduleBursts(): void {
    if (this.#isBurstScheduled || this.#bursts.length === 0) return;
    this.#isBurstScheduled = true;
    setImmediate(() => this.#writeBursts());
  }

  #writeBursts(): void {
    this.#isBurstScheduled = false;
    const turn = this.#bursts;
    this.#bursts = [];
    for (const connection of turn) if (connection.writeNext()) this.#bursts.push(connection);
    this.#scheduleBursts();
  }

  /** All paced streams have one period, so the queue stays in the order in which they are due. */
  #schedulePaced(nowMs: number): void {
    const first = this.#paced[0];
    if (first === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#writePaced(), Math.max(1, Math.ceil(first.dueMs - nowMs)));
  }

  #writePaced(): void {
    this.#timer = undefined;
    const now = performance.now();
    let due = 0;
    while (due < this.#paced.length && (this.#paced[due]?.dueMs ?? 0) <= now) due++;
    for (const connection of this.#paced.splice(0, due)) {
      if (!connection.writeNext()) continue;
      connection.dueMs += PACE_MS;
      this.#paced.push(connection);
    }
    this.#schedulePaced(now);
  }
}

const counters = new Counters();
const scheduler = new StreamScheduler();

class WorkerConnection {
  readonly #socket: Socket;
  readonly #worker: number;
  readonly #assembler = new RequestAssembler();
  #writes: readonly Buffer[];
  #nextWrite: number;
  /** When the next event of a paced stream is due, by `performance.now()`. */
  dueMs: number;

  constructor(socket: Socket, worker: number) {
    this.#socket = socket;
    this.#worker = worker;
    this.#writes = [];
    this.#nextWrite = 0;
    this.dueMs = 0;
    counters.connections++;
    socket.on('data', (bytes) => this.#onData(bytes as Buffer));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#onClose());
  }

  /** Sends the next piece of the stream; false when there is nothing more to send. */
  writeNext(): boolean {
    if (this.#socket.destroyed) return false;
    if (this.#socket.writableNeedDrain) return true;
    const bytes = this.#writes[this.#nextWrite++];
    if (bytes !== undefined) this.#socket.write(bytes);
    if (this.#nextWrite < this.#writes.length) return true;
    this.#writes = [];
    return false;
  }

  #onData(bytes: Buffer): void {
    const request = this.#assembler.push(bytes);
    if (request === undefined) return;
    if (typeof request === 'string') this.#refuse(request);
    else this.#answer(request);
  }

  #answer(request: ParsedRequest): void {
    if (request.path !== '/v1/chat/completions' || request.method !== 'POST') {
      counters.otherRequests++;
      this.#socket.write(INFORMATION[request.path] ?? NOT_FOUND);
      return;
    }
    const { body } = request;
    const tail = body.length < SHORT_BODY_LIMIT_BYTES ? undefined : findPromptTail(body);
    if (tail === undefined || body[0] !== 123 || body[body.length - 1] !== 125) {
      this.#refuse(`body of ${body.length} bytes: ${body.toString('latin1', 0, 100)}`);
      return;
    }
    if (++counters.seen % PARSE_EVERY === 0 && !isChatRequest(body, tail.kind !== 'chat')) {
      this.#refuse('body is not the JSON that was sent');
      return;
    }
    counters.requests[this.#worker] = (counters.requests[this.#worker] ?? 0) + 1;
    if (tail.kind === 'chat') this.#answerChat(body, tail.sequenceOffset);
    else this.#startStream(body, tail.sequenceOffset, tail.kind === 'paced');
  }

  #answerChat(body: Buffer, sequenceOffset: number): void {
    const answer = Buffer.from(CHAT_BYTES);
    body.copy(answer, CHAT_SEQUENCE_OFFSET, sequenceOffset, sequenceOffset + SEQUENCE_DIGITS);
    this.#socket.write(answer);
  }

  #startStream(body: Buffer, sequenceOffset: number, isPaced: boolean): void {
    if (this.#writes.length > 0) {
      this.#refuse('request before the last stream ended');
      return;
    }
    const [first = STREAM_HEAD, ...rest] = isPaced ? PACED_WRITES : BURST_WRITES;
    const numbered = Buffer.from(first);
    body.copy(numbered, FIRST_CHUNK_SEQUENCE_OFFSET, sequenceOffset, sequenceOffset + SEQUENCE_DIGITS);
    this.#writes = [numbered, ...rest];
    this.#nextWrite = 0;
    this.dueMs = performance.now();
    this.#socket.write(STREAM_HEAD);
    scheduler.add(this, isPaced);
  }

  #refuse(reason: string): void {
    counters.malformed++;
    counters.firstMalformed ??= reason;
    this.#socket.end(REFUSED);
  }

  #onClose(): void {
    if (this.#writes.length > 0) counters.aborted++;
    this.#writes = [];
  }
}

function isChatRequest(body: Buffer, isStream: boolean): boolean {
  try {
    const request = JSON.parse(body.toString('utf8')) as { model?: unknown; stream?: unknown; messages?: unknown };
    return request.model === MODEL && (request.stream ?? false) === isStream && Array.isArray(request.messages);
  } catch {
    return false;
  }
}

function listen(worker: number): Promise<void> {
  return new Promise((resolve) => {
    const server = createServer({ noDelay: true }, (socket) => new WorkerConnection(socket, worker));
    server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }, () => {
      const address = server.address();
      if (address !== null && typeof address === 'object') counters.ports[worker] = address.port;
      resolve();
    });
  });
}

await Promise.all([listen(0), listen(1)]);
process.on('message', () => process.send?.(counters.take()));
process.on('disconnect', () => process.exit(0));
process.send?.(counters.take());
