/** Numbers that two threads share. One writes, the other reads; each field is whole, several are a moment apart. */
const Slot = {
  Draining: 0,
  Healthy: 1,
  Total: 2,
  BeatDelayMs: 3,
  Asked: 4,
  ReadinessLagMs: 5,
  LivenessLagMs: 6,
  Starting: 7,
} as const;
const SLOTS = 8;
/** Ahead of the slots: when the event loop last came round, ns of the machine's monotonic clock. */
const BEAT_BYTES = 8;

/** How often a running event loop writes that it runs, ms. */
export const BEAT_PERIOD_MS = 250;

/**
 * What probes are answered from, in memory that a thread can read while the thread that writes it is busy. The event
 * loop of the gateway beats on it; how long ago it did is how long it has been blocked.
 */
export class ProbeBoard {
  readonly memory: SharedArrayBuffer;
  readonly #beat: BigInt64Array;
  readonly #slots: Int32Array;

  /** `memory`: of a board in another thread. Without it a new board, alive and with no workers. */
  constructor(memory?: SharedArrayBuffer) {
    this.memory = memory ?? new SharedArrayBuffer(BEAT_BYTES + SLOTS * Int32Array.BYTES_PER_ELEMENT);
    this.#beat = new BigInt64Array(this.memory, 0, 1);
    this.#slots = new Int32Array(this.memory, BEAT_BYTES, SLOTS);
    if (memory === undefined) this.beat(0);
  }

  get draining(): boolean {
    return this.#read(Slot.Draining) === 1;
  }

  /** For good. */
  drain(): void {
    this.#write(Slot.Draining, 1);
  }

  get healthyWorkers(): number {
    return this.#read(Slot.Healthy);
  }

  get totalWorkers(): number {
    return this.#read(Slot.Total);
  }

  /** Workers that have not come up yet, and are still in time. */
  get startingWorkers(): number {
    return this.#read(Slot.Starting);
  }

  setWorkers(healthy: number, total: number, starting: number): void {
    this.#write(Slot.Starting, starting);
    this.#write(Slot.Healthy, healthy);
    this.#write(Slot.Total, total);
  }

  /** True once anybody has asked for the readiness: somebody waits for it to change. */
  get asked(): boolean {
    return this.#read(Slot.Asked) === 1;
  }

  markAsked(): void {
    this.#write(Slot.Asked, 1);
  }

  /** Longest blocking with which a gateway is ready, ms; 0: any. */
  get readinessLagMs(): number {
    return this.#read(Slot.ReadinessLagMs);
  }

  /** Longest blocking with which a gateway is alive, ms; 0: any. */
  get livenessLagMs(): number {
    return this.#read(Slot.LivenessLagMs);
  }

  setLimits(readinessLagMs: number, livenessLagMs: number): void {
    this.#write(Slot.ReadinessLagMs, readinessLagMs);
    this.#write(Slot.LivenessLagMs, livenessLagMs);
  }

  /** The event loop has come round, so much later than it should. */
  beat(delayMs: number): void {
    Atomics.store(this.#beat, 0, process.hrtime.bigint());
    this.#write(Slot.BeatDelayMs, Math.min(delayMs, 2 ** 31 - 1));
  }

  /** How long the event loop is, or has just been, behind, ms. */
  get loopLagMs(): number {
    const sinceMs = Number(process.hrtime.bigint() - Atomics.load(this.#beat, 0)) / 1e6;
    return Math.max(0, Math.round(sinceMs) - BEAT_PERIOD_MS, this.#read(Slot.BeatDelayMs));
  }

  #read(slot: number): number {
    return Atomics.load(this.#slots, slot);
  }

  #write(slot: number, value: number): void {
    Atomics.store(this.#slots, slot, value);
  }
}
