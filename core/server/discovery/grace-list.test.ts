import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../../testing/fake-clock.js';
import { GraceList } from './grace-list.js';

const urlsOf = (list: GraceList): string[] => list.workers.map(({ url }) => url);
const workers = (...urls: string[]): { url: string }[] => urls.map((url) => ({ url }));

describe('the grace of a discovery', () => {
  it('keeps a worker that comes back in time, and lets go of one that does not', () => {
    const clock = new FakeClock();
    let expired = 0;
    const list = new GraceList(clock, 30_000, () => expired++);
    assert.equal(list.update(workers('a', 'b')), true);
    assert.equal(list.update(workers('b', 'a')), false);
    assert.equal(list.update(workers('b')), false);
    clock.advance(29_999);
    assert.equal(list.update(workers('a', 'b')), false);
    clock.advance(60_000);
    assert.equal(expired, 0);
    assert.equal(list.update([]), false);
    clock.advance(30_000);
    assert.deepEqual([urlsOf(list), expired], [[], 1]);
    assert.equal(clock.pendingTimers, 0);
  });

  it('without a grace follows at once', () => {
    const list = new GraceList(new FakeClock(), 0, () => assert.fail());
    list.update(workers('a', 'b'));
    assert.equal(list.update(workers('b')), true);
    assert.deepEqual(urlsOf(list), ['b']);
  });

  it('takes other facts of a worker at once', () => {
    const list = new GraceList(new FakeClock(), 30_000, () => assert.fail());
    list.update([{ url: 'a', priority: 1 }]);
    assert.equal(list.update([{ url: 'a', priority: 2 }]), true);
    assert.deepEqual(list.workers, [{ url: 'a', priority: 2 }]);
    list.close();
  });

  it('agrees with a plain model under any schedule', () => {
    const step = fc.record({
      afterMs: fc.nat(40),
      list: fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd')),
    });
    fc.assert(
      fc.property(fc.nat(50), fc.array(step, { minLength: 1, maxLength: 30 }), (graceMs, steps) => {
        const clock = new FakeClock();
        let visible: string[] = [];
        const list = new GraceList(clock, graceMs, () => {
          visible = urlsOf(list);
        });
        /** Undefined: listed now. */
        const missingSince = new Map<string, number | undefined>();
        const wanted = (): string[] =>
          [...missingSince].flatMap(([url, since]) => {
            return since === undefined || clock.monotonicMs() - since < graceMs ? [url] : [];
          });
        for (const { afterMs, list: urls } of steps) {
          clock.advance(afterMs);
          assert.deepEqual([...visible].sort(), wanted().sort());
          for (const url of [...missingSince.keys()]) if (!wanted().includes(url)) missingSince.delete(url);
          for (const url of urls) missingSince.set(url, undefined);
          for (const [url, since] of missingSince) {
            if (!urls.includes(url) && since === undefined) missingSince.set(url, clock.monotonicMs());
          }
          const before = [...visible].sort();
          const changed = list.update(workers(...urls));
          visible = urlsOf(list);
          assert.deepEqual([...visible].sort(), wanted().sort());
          assert.equal(changed, before.join() !== [...visible].sort().join());
        }
        clock.advance(1_000);
        assert.equal(clock.pendingTimers, 0);
      }),
    );
  });
});
