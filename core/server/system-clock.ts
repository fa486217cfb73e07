import { performance } from 'node:perf_hooks';
import { type Clock, COARSE_TICK_MS, type Timer } from '../api/clock.js';

/** Slots of the wheel; one turn is 25.6 s. Timers beyond it are looked at once a turn. */
const WHEEL_SLOTS = 512;

/** Longest delay of a Node timer, ms (24.8 days); longer ones would fire at once there. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Time of this machine. One instance per process; tests that need no real time use the fake one. */
export class SystemClock implements Clock {
  readonly #wheel = new TimerWheel();

  nowMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return new ExactTimer(Math.min(delayMs, MAX_DELAY_MS), callback);
  }

  setCoarseTimer(delayMs: number, callback: () => void): Timer {
    return this.#wheel.add(Math.min(Math.max(delayMs, 0), MAX_DELAY_MS), callback);
  }
}

/** A timer of the event loop that does not keep the process alive. */
class ExactTimer implements Timer {
  readonly #timeout: NodeJS.Timeout;

  constructor(delayMs: number, callback: () => void) {
    this.#timeout = setTimeout(callback, delayMs);
    this.#timeout.unref();
  }

  cancel(): void {
    clearTimeout(this.#timeout);
  }
}

/** Member of one circular list; alone when it points to itself. */
class TimerNode implements Timer {
  previous: TimerNode;
  next: TimerNode;
  readonly dueMs: number;
  /** Undefined for list heads, and once it fired or was cancelled. */
  callback: (() => void) | undefined;
  readonly #wheel: TimerWheel | undefined;

  constructor(dueMs: number, callback: (() => void) | undefined, wheel: TimerWheel | undefined) {
    this.previous = this;
    this.next = this;
    this.dueMs = dueMs;
    this.callback = callback;
    this.#wheel = wheel;
  }

  cancel(): void {
    if (this.callback === undefined) return;
    this.callback = undefined;
    this.unlink();
    this.#wheel?.onCancelled();
  }

  unlink(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.previous = this;
    this.next = this;
  }

  /** Puts a lone node at the end of the list of which `head` is the head. */
  appendTo(head: TimerNode): void {
    this.previous = head.previous;
    this.next = head;
    head.previous.next = this;
    head.previous = this;
  }
}

const createHead = (): TimerNode => new TimerNode(0, undefined, undefined);

/**
 * Hashed timer wheel on one interval of COARSE_TICK_MS that runs only while timers wait. Setting and cancelling are
 * O(1), whatever the number of timers.
 */
class TimerWheel {
  readonly #slots: TimerNode[] = Array.from({ length: WHEEL_SLOTS }, createHead);
  /** Timers that are due, while their callbacks run. Survives a callback that throws. */
  readonly #due: TimerNode = createHead();
  readonly #onTick = (): void => this.#tick();
  #interval: NodeJS.Timeout | undefined = undefined;
  /** Timers that wait. */
  #size = 0;
  /** Number of the tick at which the wheel was last looked at; its slot may still hold timers of that tick. */
  #lastTick = 0;

  add(delayMs: number, callback: () => void): Timer {
    const nowMs = performance.now();
    if (this.#interval === undefined) this.#start(nowMs);
    const node = new TimerNode(nowMs + delayMs, callback, this);
    node.appendTo(this.#slots[Math.floor(node.dueMs / COARSE_TICK_MS) % WHEEL_SLOTS] as TimerNode);
    this.#size += 1;
    return node;
  }

  onCancelled(): void {
    this.#size -= 1;
  }

  #start(nowMs: number): void {
    this.#lastTick = Math.floor(nowMs / COARSE_TICK_MS);
    this.#interval = setInterval(this.#onTick, COARSE_TICK_MS);
    this.#interval.unref();
  }

  /** Stopping only here, never in `cancel`, spares a busy process from starting and stopping the interval all the time. */
  #tick(): void {
    if (this.#size === 0) {
      clearInterval(this.#interval);
      this.#interval = undefined;
      return;
    }
    this.#collectDue(performance.now());
    this.#fireDue();
  }

  #collectDue(nowMs: number): void {
    const tick = Math.floor(nowMs / COARSE_TICK_MS);
    // A blocked event loop may have missed a whole turn; then each slot needs looking at once.
    const first = Math.max(this.#lastTick, tick - WHEEL_SLOTS + 1);
    for (let at = first; at <= tick; at += 1) {
      const head = this.#slots[at % WHEEL_SLOTS] as TimerNode;
      let node = head.next;
      while (node !== head) {
        const next = node.next;
        if (node.dueMs <= nowMs) {
          node.unlink();
          node.appendTo(this.#due);
        }
        node = next;
      }
    }
    this.#lastTick = tick;
  }

  #fireDue(): void {
    const due = this.#due;
    while (due.next !== due) {
      const node = due.next;
      const callback = node.callback;
      node.callback = undefined;
      node.unlink();
      this.#size -= 1;
      if (callback !== undefined) callback();
    }
  }
}
