import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DiscoveredWorker, Discovery, DiscoverySink, Lifetime } from '../../core/api/index.js';
import { FakeClock } from '../../core/testing/fake-clock.js';

/** Records what a discovery reports. */
export class RecordingSink implements DiscoverySink {
  readonly lists: (readonly DiscoveredWorker[])[] = [];
  readonly errors: { readonly reason: string; readonly message: string }[] = [];

  onWorkers(workers: readonly DiscoveredWorker[]): void {
    this.lists.push(workers);
  }

  onError(reason: string, message: string): void {
    this.errors.push({ reason, message });
  }

  /** Reports so far. */
  get count(): number {
    return this.lists.length + this.errors.length;
  }

  /** URLs of the newest list, sorted. */
  get urls(): string[] {
    return (this.lists.at(-1) ?? []).map(({ url }) => url).sort();
  }
}

/** What a discovery asks, under the control of the test. */
export interface DiscoveryWorld {
  /** From now on these are the workers; `host:port` of loopback. */
  serve(addresses: readonly string[]): Promise<void>;
  /** From now on it cannot be found out. */
  fail(): Promise<void>;
  /** A new instance, as the definition's `create` would make it. */
  create(lifetime: Lifetime, clock: FakeClock): Promise<Discovery> | Discovery;
  close(): Promise<void>;
}

/** A lifetime that a test ends. */
export class ContractLifetime implements Lifetime {
  readonly #disposers: (() => void | Promise<void>)[] = [];

  onDispose(dispose: () => void | Promise<void>): void {
    this.#disposers.push(dispose);
  }

  async dispose(): Promise<void> {
    for (let dispose = this.#disposers.pop(); dispose !== undefined; dispose = this.#disposers.pop()) await dispose();
  }
}

/** Moves the clock, in steps longer than any period of the test's config, until the condition holds. */
export async function advanceUntil(clock: FakeClock, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !holds(); i++) {
    clock.advance(60_000);
    await sleep(5);
  }
  assert.ok(holds(), 'what was waited for did not come');
}

/** What every discovery must hold; run it from the plugin's own test file. */
export function testDiscoveryContract(name: string, open: () => Promise<DiscoveryWorld>): void {
  const [a, b, c] = ['127.0.0.1:9001', '127.0.0.2:9001', '127.0.0.3:9001'] as const;

  async function run(
    test: (world: DiscoveryWorld, lifetime: ContractLifetime, clock: FakeClock, sink: RecordingSink) => Promise<void>,
  ): Promise<void> {
    const world = await open();
    const lifetime = new ContractLifetime();
    const clock = new FakeClock();
    try {
      await test(world, lifetime, clock, new RecordingSink());
    } finally {
      await lifetime.dispose();
      await world.close();
    }
    assert.equal(clock.pendingTimers, 0, 'a timer outlives the discovery');
  }

  describe(`the discovery ${name}`, () => {
    it('reports the whole list first, and again when it changes', () =>
      run(async (world, lifetime, clock, sink) => {
        await world.serve([a, b]);
        (await world.create(lifetime, clock)).start(sink);
        await advanceUntil(clock, () => sink.lists.length > 0);
        assert.deepEqual(sink.urls, [a, b]);
        const first = structuredClone(sink.lists[0]);
        await world.serve([b, c]);
        await advanceUntil(clock, () => sink.urls.includes(c));
        assert.deepEqual(sink.urls, [b, c]);
        assert.deepEqual(sink.lists[0], first, 'a list that was handed over has changed');
        await world.serve([]);
        await advanceUntil(clock, () => sink.urls.length === 0);
        assert.equal(sink.errors.length, 0);
      }));

    it('reports a failure instead of a list, and lists again once it works', () =>
      run(async (world, lifetime, clock, sink) => {
        await world.fail();
        (await world.create(lifetime, clock)).start(sink);
        await advanceUntil(clock, () => sink.errors.length > 0);
        assert.equal(sink.lists.length, 0);
        await world.serve([a]);
        await advanceUntil(clock, () => sink.lists.length > 0);
        const errors = sink.errors.length;
        const lists = sink.lists.length;
        await world.fail();
        await advanceUntil(clock, () => sink.errors.length > errors);
        assert.deepEqual(sink.urls, [a]);
        assert.ok(sink.lists.slice(lists).every((list) => list.length === 1));
        assert.match(sink.errors[0]?.reason ?? '', /^[a-z_]+$/);
      }));

    it('says nothing after its end, whenever that comes, and leaves nothing behind', () =>
      run(async (world, _lifetime, clock) => {
        await world.serve([a]);
        for (const pauseMs of [0, 1, 20]) {
          const lifetime = new ContractLifetime();
          const sink = new RecordingSink();
          (await world.create(lifetime, clock)).start(sink);
          if (pauseMs > 0) await sleep(pauseMs);
          await lifetime.dispose();
          const { count } = sink;
          await world.serve([a, b]);
          for (let i = 0; i < 5; i++) {
            clock.advance(60_000);
            await sleep(5);
          }
          assert.equal(sink.count, count);
        }
      }));
  });
}
