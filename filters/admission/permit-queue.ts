/** Somebody who wants a permit. The links belong to the queue; both are undefined outside of it. */
export interface Waiter {
  previous: Waiter | undefined;
  next: Waiter | undefined;
  /** Its turn has come: it has left the queue and holds a permit. Must not throw. */
  onGranted(): void;
  /** The queue was closed: it has left it without a permit. Must not throw. */
  onRefused(): void;
}

/**
 * Permits with a strict first-in, first-out queue: whoever comes later waits behind everybody who waits, and a permit that
 * is given back goes to the oldest. Joining, leaving and granting are O(1); nothing of a waiter stays behind when it leaves.
 */
export class PermitQueue {
  #max = Number.POSITIVE_INFINITY;
  #queueSize = 0;
  #inflight = 0;
  #waiting = 0;
  #oldest: Waiter | undefined = undefined;
  #newest: Waiter | undefined = undefined;
  #closed = false;
  #granting = false;

  /** Permits that are held. More than `max` right after `max` was lowered. */
  get inflight(): number {
    return this.#inflight;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Whether nobody may wait any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Takes effect at once: more permits go to those who wait; fewer take nothing away from those who hold or wait. */
  setLimits(max: number, queueSize: number): void {
    this.#max = max;
    this.#queueSize = queueSize;
    this.#grant();
  }

  /** Takes a permit if one is free and nobody waits for it. */
  tryAcquire(): boolean {
    if (this.#inflight >= this.#max || this.#waiting > 0) return false;
    this.#inflight++;
    return true;
  }

  /** Joins the queue; false when it is full or closed. Only after `tryAcquire` failed. */
  tryEnqueue(waiter: Waiter): boolean {
    if (this.#closed || this.#waiting >= this.#queueSize) return false;
    this.#waiting++;
    waiter.previous = this.#newest;
    if (this.#newest === undefined) this.#oldest = waiter;
    else this.#newest.next = waiter;
    this.#newest = waiter;
    return true;
  }

  /** Leaves the queue. Only for who is in it. */
  leave(waiter: Waiter): void {
    this.#waiting--;
    if (waiter.previous === undefined) this.#oldest = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.#newest = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.previous = undefined;
    waiter.next = undefined;
  }

  /** Gives a permit back. */
  release(): void {
    this.#inflight--;
    this.#grant();
  }

  /** Refuses everybody who waits, and everybody who would. Permits go on. */
  close(): void {
    this.#closed = true;
    for (let waiter = this.#oldest; waiter !== undefined; waiter = this.#oldest) {
      this.leave(waiter);
      waiter.onRefused();
    }
  }

  /** A waiter may give its permit back within `onGranted`: the loop goes on then, so that no stack grows. */
  #grant(): void {
    if (this.#granting) return;
    this.#granting = true;
    while (this.#inflight < this.#max && this.#oldest !== undefined) {
      const waiter = this.#oldest;
      this.leave(waiter);
      this.#inflight++;
      waiter.onGranted();
    }
    this.#granting = false;
  }
}
