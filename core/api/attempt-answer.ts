import type { GatewayError } from './errors.js';
import type { BodyData, InnerRun, InnerSink, StreamFilterCallbacks, WatermarkCallbacks } from './filter.js';
import type { HeaderMap, ResponseHeaders } from './headers.js';
import type { Delta } from './inference.js';

/** Bytes of an answer that are held here; past it its worker is paused, and what waits for content has it. */
const MAX_HELD_BYTES = 64 * 1024;
/** Deltas without content that are held; one more counts as content. */
const MAX_HELD_DELTAS = 64;

const COLON = 0x3a;

/** Decides about the answers of attempts. */
export interface AttemptOwner {
  /** The head is here; calls `pass`, `setAside`, `awaitContent`, `read` or `drop` before it returns. */
  onAttemptHead(answer: AttemptAnswer, headers: ResponseHeaders): void;
  /** After `awaitContent`: the first piece of content is here, or the end. Calls `pass` or `drop`. */
  onAttemptContent?(answer: AttemptAnswer): void;
  /** After `read`: the body is here, or as much of it as was asked for. Calls `pass`, `setAside` or `drop`. */
  onAttemptBody?(answer: AttemptAnswer, headers: ResponseHeaders, body: Buffer): void;
  /** The attempt broke before its head, or while content or its body was awaited. */
  onAttemptError(answer: AttemptAnswer, error: GatewayError): void;
}

/** Where an answer that is passed on goes: the callbacks of the nesting filter, or what stands before them. */
export type AttemptOutput = Pick<
  StreamFilterCallbacks,
  | 'encodeHeaders'
  | 'encodeData'
  | 'encodeDelta'
  | 'encodeTrailers'
  | 'sendLocalReply'
  | 'addDownstreamWatermarkCallbacks'
>;

const State = { Waiting: 0, Awaiting: 1, Reading: 2, Passing: 3, SetAside: 4, Over: 5 } as const;

/**
 * The answer of one inner run, for filters that nest. It waits for its head; then it is passed on to the client, or set
 * aside while another attempt is made, to be passed on after all when nothing better comes. What is set aside costs no
 * time: nobody waits for its body, which arrives (64 KiB of it) or is paused beside the next attempt.
 */
export class AttemptAnswer implements InnerSink, WatermarkCallbacks {
  readonly #owner: AttemptOwner;
  readonly #output: AttemptOutput;
  #state: number = State.Waiting;
  /** Undefined until `openInner` has returned; an answer may come before. */
  #inner: InnerRun | undefined = undefined;
  #headers: ResponseHeaders | undefined = undefined;
  #held: Buffer[] | undefined = undefined;
  #heldBytes = 0;
  /** Bytes of its body that its owner wants to see. */
  #readLimit = 0;
  #heldDeltas: Delta[] | undefined = undefined;
  #trailers: HeaderMap | undefined = undefined;
  /** Its last byte is here. */
  #complete = false;
  #paused = false;

  constructor(owner: AttemptOwner, output: AttemptOutput) {
    this.#owner = owner;
    this.#output = output;
  }

  /** The run that it comes from; undefined while that is being opened. */
  get inner(): InnerRun | undefined {
    return this.#inner;
  }

  /** Its head, once that is here: what is changed there before `pass` goes to the client. */
  get headers(): ResponseHeaders | undefined {
    return this.#headers;
  }

  /** Its last byte is here. */
  get complete(): boolean {
    return this.#complete;
  }

  /** False when it was set aside but broke meanwhile. */
  get usable(): boolean {
    return this.#state === State.SetAside;
  }

  /** `openInner` has returned. */
  onOpened(inner: InnerRun): void {
    this.#inner = inner;
    if (this.#state === State.Over) inner.reset();
    else if (this.#state === State.Passing) this.#followClient();
    else if (this.#state === State.SetAside) this.#pauseWhenFull();
  }

  /** Everything goes to the client from here on, what was held first. */
  pass(): void {
    this.#state = State.Passing;
    const held = this.#held;
    const deltas = this.#heldDeltas;
    const output = this.#output;
    const ended = this.#complete && this.#trailers === undefined;
    output.encodeHeaders(this.#headers as ResponseHeaders, ended && held === undefined && deltas === undefined);
    if (held !== undefined) {
      this.#held = undefined;
      for (let i = 0; i < held.length; i++) output.encodeData(held[i] as Buffer, ended && i === held.length - 1);
    }
    if (deltas !== undefined) {
      this.#heldDeltas = undefined;
      for (let i = 0; i < deltas.length; i++) output.encodeDelta(deltas[i] as Delta, ended && i === deltas.length - 1);
    }
    if (this.#trailers !== undefined) output.encodeTrailers(this.#trailers);
    if (this.#complete) return;
    if (this.#paused) this.#inner?.onBelowWriteBufferLowWatermark();
    this.#followClient();
  }

  /** Keeps it until `pass` or `drop`. */
  setAside(): void {
    this.#state = State.SetAside;
  }

  /**
   * Holds the head until something of the answer itself comes, which the owner is told: a delta with content, or bytes
   * that are more than a comment of an event stream. An answer that is complete has come.
   */
  awaitContent(): void {
    this.#state = State.Awaiting;
    if (this.#complete) this.#owner.onAttemptContent?.(this);
  }

  /** Holds it until its body is here, or more than `limit` bytes of it; not for one that is complete. Bytes only. */
  read(limit: number): void {
    this.#state = State.Reading;
    this.#readLimit = limit;
  }

  /** Gives it up and ends its run. */
  drop(): void {
    if (this.#state === State.Over) return;
    this.#state = State.Over;
    this.#held = undefined;
    this.#heldDeltas = undefined;
    this.#inner?.reset();
  }

  // ── from the run ──────────────────────────────────────────────────────────────────────────────────────────────

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#headers = headers;
    this.#complete = endStream;
    this.#owner.onAttemptHead(this, headers);
  }

  onData(data: BodyData, endStream: boolean): void {
    this.#complete = endStream;
    if (this.#state === State.Passing) this.#output.encodeData(data.bytes, endStream, data.framed);
    else if (this.#state === State.SetAside) this.#hold(data.bytes);
    else if (this.#state === State.Awaiting) {
      this.#hold(data.bytes);
      if (endStream || this.#heldBytes > MAX_HELD_BYTES || !isComment(data.bytes)) this.#owner.onAttemptContent?.(this);
    } else if (this.#state === State.Reading) {
      this.#hold(data.bytes);
      if (endStream || this.#heldBytes > this.#readLimit) this.#onRead();
    }
  }

  /** Answers made of deltas are never set aside: a worker that fails has none. */
  onDelta(delta: Delta, endStream: boolean): void {
    this.#complete = endStream;
    if (this.#state === State.Passing) this.#output.encodeDelta(delta, endStream);
    else if (this.#state === State.Awaiting) {
      if (this.#heldDeltas === undefined) this.#heldDeltas = [delta];
      else this.#heldDeltas.push(delta);
      if (endStream || isContent(delta) || this.#heldDeltas.length > MAX_HELD_DELTAS) {
        this.#owner.onAttemptContent?.(this);
      }
    }
  }

  onTrailers(trailers: HeaderMap): void {
    this.#complete = true;
    if (this.#state === State.Passing) this.#output.encodeTrailers(trailers);
    else if (this.#state !== State.Over) this.#trailers = trailers;
    if (this.#state === State.Awaiting) this.#owner.onAttemptContent?.(this);
    else if (this.#state === State.Reading) this.#onRead();
  }

  onError(error: GatewayError): void {
    const state = this.#state;
    this.#state = State.Over;
    this.#held = undefined;
    this.#heldDeltas = undefined;
    if (state === State.Passing) this.#output.sendLocalReply(error);
    else if (state !== State.SetAside && state !== State.Over) this.#owner.onAttemptError(this, error);
  }

  #onRead(): void {
    this.#owner.onAttemptBody?.(this, this.#headers as ResponseHeaders, Buffer.concat(this.#held ?? []));
  }

  #hold(bytes: Buffer): void {
    if (this.#held === undefined) this.#held = [bytes];
    else this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#state === State.SetAside) this.#pauseWhenFull();
  }

  #pauseWhenFull(): void {
    if (this.#paused || this.#complete || this.#heldBytes <= MAX_HELD_BYTES || this.#inner === undefined) return;
    this.#paused = true;
    this.#inner.onAboveWriteBufferHighWatermark();
  }

  // ── back-pressure ─────────────────────────────────────────────────────────────────────────────────────────────

  #followClient(): void {
    if (this.#inner !== undefined && !this.#complete) this.#output.addDownstreamWatermarkCallbacks(this);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#inner?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#inner?.onBelowWriteBufferLowWatermark();
  }
}

/** Lines of an event stream that only keep the connection alive: they begin with a colon, and no other line follows. */
function isComment(bytes: Buffer): boolean {
  if (bytes.length === 0) return true;
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at];
    if (byte !== COLON && byte !== 0x0a && byte !== 0x0d) return false;
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) return true;
    at = end + 1;
  }
  return true;
}

/** Whether a delta is part of what the model said, or the end of it. */
function isContent({ kind }: Delta): boolean {
  return kind !== 'start' && kind !== 'keep_alive' && kind !== 'usage';
}
