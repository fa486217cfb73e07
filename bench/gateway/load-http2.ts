import { type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2';
import { type AnswerCheck, createAnswerCheck } from './answer-check.js';
import { writeSequence } from './answers.js';
import { createChatRequest } from './chat-request.js';
import type { LoadLoop } from './load-http1.js';
import type { LoadJob, LoadTally } from './load-tally.js';

/** One of the concurrent streams that share an HTTP/2 connection: the next one opens when the last one has ended. */
export class Http2LoadLane {
  readonly #tally: LoadTally;
  readonly #loop: LoadLoop;
  readonly #session: ClientHttp2Session;
  readonly #check: AnswerCheck;
  readonly #body: Buffer;
  readonly #sequenceOffset: number;
  readonly #headers: Record<string, string>;
  #stream: ClientHttp2Stream | undefined;
  #sentMs: number;
  #events: number;
  #isDone: boolean;

  constructor(job: LoadJob, tally: LoadTally, loop: LoadLoop, session: ClientHttp2Session) {
    this.#tally = tally;
    this.#loop = loop;
    this.#session = session;
    this.#check = createAnswerCheck(job.check, job.answer);
    const { body, sequenceOffset } = createChatRequest(job.bodyBytes, job.answer);
    this.#body = body;
    this.#sequenceOffset = sequenceOffset;
    this.#headers = {
      ':method': 'POST',
      ':path': '/v1/chat/completions',
      'user-agent': 'smg-bench/1',
      authorization: 'Bearer bench',
      'content-type': 'application/json',
      'content-length': String(body.length),
    };
    this.#stream = undefined;
    this.#sentMs = 0;
    this.#events = 0;
    this.#isDone = false;
  }

  /** Opens the next stream. */
  send(nowMs: number): void {
    const sequence = this.#loop.nextSequence();
    writeSequence(this.#body, this.#sequenceOffset, sequence);
    this.#check.begin(sequence);
    this.#events = 0;
    this.#sentMs = nowMs;
    const stream = this.#session.request(this.#headers);
    this.#stream = stream;
    stream.on('response', (headers) => {
      if (headers[':status'] !== 200) this.#fail(`answer: status ${headers[':status']}`);
    });
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    stream.on('end', () => this.#onEnd());
    stream.on('error', (error) => this.#fail(`stream: ${error.message}`));
    stream.end(this.#body);
  }

  /** Resets the stream; an answer that is still missing counts as a failure. */
  close(): void {
    if (!this.#isDone) this.#fail('no answer before the end of the case');
  }

  #onData(chunk: Buffer): void {
    this.#check.accept(chunk, 0, chunk.length);
    if (this.#check.events === this.#events) return;
    const now = performance.now();
    if (this.#events === 0) this.#tally.recordFirstEvent(this.#sentMs, now);
    this.#tally.recordEvents(this.#check.events - this.#events, now);
    this.#events = this.#check.events;
  }

  #onEnd(): void {
    if (this.#isDone) return;
    const problem = this.#check.finish();
    if (problem !== undefined) {
      this.#fail(problem);
      return;
    }
    const now = performance.now();
    this.#tally.recordAnswer(this.#sentMs, now);
    if (this.#tally.isOver(now)) this.#end();
    else this.send(now);
  }

  #fail(reason: string): void {
    if (this.#isDone) return;
    this.#tally.fail(reason);
    this.#stream?.close(constants.NGHTTP2_CANCEL);
    this.#end();
  }

  #end(): void {
    this.#isDone = true;
    this.#loop.onConnectionDone();
  }
}
