import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Releasable, RequestScope } from '../../core/api/index.js';
import { BodyCollector } from './body-collector.js';
import { BodyPool } from './body-pool.js';

const MAX_IDLE_BYTES = 8 * 1024 * 1024;
const pieces = fc.array(fc.uint8Array({ maxLength: 9000 }), { maxLength: 12 });

class TestScope implements RequestScope {
  ended = false;
  readonly owned: Releasable[] = [];

  own<T extends Releasable>(resource: T): T {
    this.owned.push(resource);
    return resource;
  }

  disown(): void {}

  end(): void {
    this.ended = true;
    for (const resource of this.owned.reverse()) resource.release();
  }
}

describe('BodyPool', () => {
  it('never has one buffer with two owners, and keeps a bounded store', () => {
    const step = fc.oneof(
      fc.record({ take: fc.oneof(fc.nat(40_000), fc.nat(3_000_000)) }),
      fc.record({ give: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const pool = new BodyPool();
        const taken: Buffer[] = [];
        for (const one of steps) {
          if ('take' in one) {
            const buffer = pool.take(one.take);
            assert.ok(buffer.length >= one.take);
            assert.ok(!taken.some((other) => other.buffer === buffer.buffer));
            taken.push(buffer);
          } else if (taken.length > 0) {
            pool.give(taken.splice(one.give % taken.length, 1)[0] as Buffer);
          }
          assert.ok(pool.idleBytes <= MAX_IDLE_BYTES);
        }
      }),
    );
  });

  it('uses memory again, and keeps no giants', { skip: process.platform === 'win32' }, () => {
    const pool = new BodyPool();
    const first = pool.take(100_000);
    pool.give(first);
    assert.equal(pool.idleBytes, first.length);
    assert.equal(pool.take(128 * 1024), first);
    assert.equal(pool.idleBytes, 0);
    pool.give(pool.take(1024 * 1024 + 1));
    assert.equal(pool.idleBytes, 0);
  });
});

describe('BodyCollector', () => {
  it('gives back what was added, whatever length was declared and whatever the memory held before', () => {
    const pool = new BodyPool();
    fc.assert(
      fc.property(pieces, fc.nat(20_000), (added, declared) => {
        const scope = new TestScope();
        const collector = new BodyCollector(declared, pool, scope);
        for (const piece of added) collector.add(Buffer.from(piece));
        const whole = Buffer.concat(added);
        assert.equal(collector.length, whole.length);
        assert.ok(collector.take().equals(whole));
        scope.end();
      }),
    );
  });

  it('keeps bodies apart, however their lives overlap', () => {
    const life = fc.record({ added: pieces, declared: fc.nat(60_000), lives: fc.nat(6) });
    fc.assert(
      fc.property(fc.array(life, { maxLength: 20 }), (lives) => {
        const pool = new BodyPool();
        let open: { scope: TestScope; body: Buffer; whole: Buffer; until: number }[] = [];
        lives.forEach(({ added, declared, lives: span }, now) => {
          const scope = new TestScope();
          const collector = new BodyCollector(declared, pool, scope);
          for (const piece of added) collector.add(Buffer.from(piece));
          open.push({ scope, body: collector.take(), whole: Buffer.concat(added), until: now + span });
          for (const one of open) assert.ok(one.body.equals(one.whole));
          for (const one of open) if (one.until <= now) one.scope.end();
          open = open.filter((one) => !one.scope.ended);
        });
      }),
    );
  });

  it('gives its memory back once, at the end of the scope, and takes no more after it', () => {
    const pool = new BodyPool();
    const scope = new TestScope();
    const collector = new BodyCollector(20_000, pool, scope);
    collector.add(Buffer.alloc(6000));
    collector.add(Buffer.alloc(6000));
    assert.equal(collector.pooled, true);
    assert.equal(pool.idleBytes, 0);
    scope.end();
    collector.release();
    const idle = pool.idleBytes;
    collector.add(Buffer.alloc(6000));
    assert.equal(pool.idleBytes, idle);
    assert.equal(collector.pooled, false);
    assert.ok(process.platform === 'win32' || idle === 32 * 1024);
  });

  it('leaves small bodies to Node, and moves into the pool as a body grows', () => {
    const pool = new BodyPool();
    const scope = new TestScope();
    const collector = new BodyCollector(0, pool, scope);
    collector.add(Buffer.alloc(100, 'a'));
    collector.add(Buffer.alloc(1000, 'b'));
    assert.equal(collector.pooled, false);
    collector.add(Buffer.alloc(5000, 'c'));
    assert.equal(collector.pooled, true);
    collector.add(Buffer.alloc(50_000, 'd'));
    const parts = [Buffer.alloc(100, 'a'), Buffer.alloc(1000, 'b'), Buffer.alloc(5000, 'c'), Buffer.alloc(50_000, 'd')];
    assert.ok(collector.take().equals(Buffer.concat(parts)));
    scope.end();
    assert.deepEqual(scope.owned, [collector]);
  });
});
