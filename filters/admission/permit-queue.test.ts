import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PermitQueue, type Waiter } from './permit-queue.js';

class Caller implements Waiter {
  previous: Waiter | undefined = undefined;
  next: Waiter | undefined = undefined;
  readonly id: number;
  readonly #log: string[];
  readonly onGrant: (() => void) | undefined;

  constructor(id: number, log: string[], onGrant?: () => void) {
    this.id = id;
    this.#log = log;
    this.onGrant = onGrant;
  }

  onGranted(): void {
    this.#log.push(`granted ${this.id}`);
    this.onGrant?.();
  }

  onRefused(): void {
    this.#log.push(`refused ${this.id}`);
  }
}

/** The same in as few words as possible: two lists. */
class PlainModel {
  holders: number[] = [];
  queue: number[] = [];
  max = 0;
  size = 0;
  closed = false;
  readonly log: string[] = [];

  ask(id: number): string {
    if (this.holders.length < this.max && this.queue.length === 0) {
      this.holders.push(id);
      return 'acquired';
    }
    if (this.closed || this.queue.length >= this.size) return 'turned away';
    this.queue.push(id);
    return 'queued';
  }

  grant(): void {
    while (this.holders.length < this.max && this.queue.length > 0) {
      const id = this.queue.shift() as number;
      this.holders.push(id);
      this.log.push(`granted ${id}`);
    }
  }
}

type Step =
  | { do: 'ask' }
  | { do: 'end' | 'leave'; at: number }
  | { do: 'limits'; max: number; size: number }
  | { do: 'close' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Step>({ do: 'ask' }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('end' as const), at: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('leave' as const), at: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('limits' as const), max: fc.nat(5), size: fc.nat(8) }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'close' }) },
);

describe('PermitQueue', () => {
  it('does what two lists do, under any schedule of asking, ending, leaving and changing limits', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const queue = new PermitQueue();
        const model = new PlainModel();
        const log: string[] = [];
        const callers: Caller[] = [];
        queue.setLimits(2, 4);
        model.max = 2;
        model.size = 4;
        for (const each of steps) {
          if (each.do === 'ask') {
            const caller = new Caller(callers.length, log);
            callers.push(caller);
            const got = queue.tryAcquire() ? 'acquired' : queue.tryEnqueue(caller) ? 'queued' : 'turned away';
            assert.equal(got, model.ask(caller.id));
          } else if (each.do === 'end' && model.holders.length > 0) {
            model.holders.splice(each.at % model.holders.length, 1);
            model.grant();
            queue.release();
          } else if (each.do === 'leave' && model.queue.length > 0) {
            const [id] = model.queue.splice(each.at % model.queue.length, 1) as [number];
            queue.leave(callers[id] as Caller);
          } else if (each.do === 'limits') {
            model.max = each.max;
            model.size = each.size;
            model.grant();
            queue.setLimits(each.max, each.size);
          } else if (each.do === 'close') {
            model.closed = true;
            for (const id of model.queue.splice(0)) model.log.push(`refused ${id}`);
            queue.close();
          }
          assert.deepEqual(log, model.log);
          assert.equal(queue.inflight, model.holders.length);
          assert.equal(queue.waiting, model.queue.length);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('passes a permit on when its new holder gives it back at once, through any number of them', () => {
    const queue = new PermitQueue();
    const log: string[] = [];
    queue.setLimits(1, 100_000);
    assert.ok(queue.tryAcquire());
    for (let i = 0; i < 50_000; i++) queue.tryEnqueue(new Caller(i, log, () => queue.release()));
    queue.release();
    assert.equal(log.length, 50_000);
    assert.equal(log.at(-1), 'granted 49999');
    assert.deepEqual([queue.inflight, queue.waiting], [0, 0]);
  });

  it('lets nobody overtake: a newcomer queues although its permit would be free', () => {
    const queue = new PermitQueue();
    const log: string[] = [];
    queue.setLimits(1, 10);
    queue.tryAcquire();
    queue.tryEnqueue(new Caller(1, log, () => assert.equal(queue.tryAcquire(), false)));
    queue.tryEnqueue(new Caller(2, log));
    queue.release();
    assert.deepEqual(log, ['granted 1']);
  });

  it('holds no reference to who has left', () => {
    const queue = new PermitQueue();
    queue.setLimits(0, 10);
    const callers = [0, 1, 2].map((id) => new Caller(id, []));
    for (const caller of callers) queue.tryEnqueue(caller);
    for (const at of [1, 0, 2]) queue.leave(callers[at] as Caller);
    for (const caller of callers) assert.deepEqual([caller.previous, caller.next], [undefined, undefined]);
    assert.equal(queue.waiting, 0);
  });
});
