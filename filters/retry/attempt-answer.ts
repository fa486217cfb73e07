import type {
  BodyData,
  Delta,
  GatewayError,
  HeaderMap,
  InnerRun,
  InnerSink,
  ResponseHeaders,
  StreamFilterCallbacks,
  WatermarkCallbacks,
} from '../../core/api/index.js';

/** Bytes of an answer set aside that are held here; past it its worker is paused. */
const MAX_HELD_BYTES = 64 * 1024;

/** Decides about the answers of attempts. */
export interface AttemptOwner {
  /** The head is here; calls `pass`, `setAside` or `drop` before it returns. */
  onAttemptHead(answer: AttemptAnswer, headers: ResponseHeaders): void;
  /** The attempt broke before its head. */
  onAttemptError(answer: AttemptAnswer, error: GatewayError): void;
}

const State = { Waiting: 0, Passing: 1, SetAside: 2, Over: 3 } as const;

/**
 * The answer of one attempt. It waits for its head; then it is passed on to the client, or set aside while another
 * attempt is made, to be passed on after all when nothing better comes. What is set aside costs no time: nobody waits for
 * its body, which arrives (64 KiB of it) or is paused beside the next attempt.
 */
export class AttemptAnswer implements InnerSink, WatermarkCallbacks {
  readonly #owner: AttemptOwner;
  readonly #callbacks: StreamFilterCallbacks;
  #state: number = State.Waiting;
  /** Undefined until `openInner` has returned; an answer may come before. */
  #inner: InnerRun | undefined = undefined;
  #headers: ResponseHeaders | undefined = undefined;
  #held: Buffer[] | undefined = undefined;
  #heldBytes = 0;
  #trailers: HeaderMap | undefined = undefined;
  /** Its last byte is here. */
  #complete = false;
  #paused = false;

  constructor(owner: AttemptOwner, callbacks: StreamFilterCallbacks) {
    this.#owner = owner;
    this.#callbacks = callbacks;
  }

  /** The run that it comes from; undefined while that is being opened. */
  get inner(): InnerRun | undefined {
    return this.#inner;
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
    const callbacks = this.#callbacks;
    const ended = this.#complete && this.#trailers === undefined;
    callbacks.encodeHeaders(this.#headers as ResponseHeaders, ended && held === undefined);
    if (held !== undefined) {
      this.#held = undefined;
      for (let i = 0; i < held.length; i++) callbacks.encodeData(held[i] as Buffer, ended && i === held.length - 1);
    }
    if (this.#trailers !== undefined) callbacks.encodeTrailers(this.#trailers);
    if (this.#complete) return;
    if (this.#paused) this.#inner?.onBelowWriteBufferLowWatermark();
    this.#followClient();
  }

  /** Keeps it until `pass` or `drop`. */
  setAside(): void {
    this.#state = State.SetAside;
  }

  /** Gives it up and ends its run. */
  drop(): void {
    if (this.#state === State.Over) return;
    this.#state = State.Over;
    this.#held = undefined;
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
    if (this.#state === State.Passing) this.#callbacks.encodeData(data.bytes, endStream, data.framed);
    else if (this.#state === State.SetAside) this.#hold(data.bytes);
  }

  /** Answers made of deltas are never set aside: a worker that fails has none. */
  onDelta(delta: Delta, endStream: boolean): void {
    this.#complete = endStream;
    if (this.#state === State.Passing) this.#callbacks.encodeDelta(delta, endStream);
  }

  onTrailers(trailers: HeaderMap): void {
    this.#complete = true;
    if (this.#state === State.Passing) this.#callbacks.encodeTrailers(trailers);
    else if (this.#state === State.SetAside) this.#trailers = trailers;
  }

  onError(error: GatewayError): void {
    const state = this.#state;
    this.#state = State.Over;
    this.#held = undefined;
    if (state === State.Passing) this.#callbacks.sendLocalReply(error);
    else if (state === State.Waiting) this.#owner.onAttemptError(this, error);
  }

  #hold(bytes: Buffer): void {
    if (this.#held === undefined) this.#held = [bytes];
    else this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    this.#pauseWhenFull();
  }

  #pauseWhenFull(): void {
    if (this.#paused || this.#complete || this.#heldBytes <= MAX_HELD_BYTES || this.#inner === undefined) return;
    this.#paused = true;
    this.#inner.onAboveWriteBufferHighWatermark();
  }

  // ── back-pressure ─────────────────────────────────────────────────────────────────────────────────────────────

  #followClient(): void {
    if (this.#inner !== undefined && !this.#complete) this.#callbacks.addDownstreamWatermarkCallbacks(this);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#inner?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#inner?.onBelowWriteBufferLowWatermark();
  }
}
