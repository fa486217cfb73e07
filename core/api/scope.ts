/** Something that a scope gives back. Called once, synchronously; must not throw. */
export interface Releasable {
  release(): void;
}

/**
 * Owner of all that one run of a chain acquires: upstream requests, load holds, permits, timers, queue places. It ends
 * exactly once (complete, reset, client gone, deadline, next attempt) and releases in reverse order of acquisition.
 */
export interface RequestScope {
  /** True once it has ended. */
  readonly ended: boolean;
  /** Takes ownership; after the end it releases at once. Returns its argument. */
  own<T extends Releasable>(resource: T): T;
  /** Gives up ownership without releasing, for what ended by itself. Unknown resources are ignored. */
  disown(resource: Releasable): void;
}
