import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Worker } from '../api/worker.js';
import { type ClusterMembers, WorkerCluster } from './cluster.js';
import { ClusterSet } from './clusters.js';
import { DEFAULT_TIMEOUTS } from './worker-spec.js';

interface FakeWorker {
  models: string[];
  available: boolean;
  overloaded: boolean;
  priority: number;
  share: number;
  maxInFlight: number;
}

/** Only what a cluster looks at. */
function worker(...models: string[]): Worker & FakeWorker {
  const facts: FakeWorker = {
    models,
    available: true,
    overloaded: false,
    priority: 50,
    share: 1,
    maxInFlight: Infinity,
  };
  return facts as unknown as Worker & FakeWorker;
}

class FakeMembers implements ClusterMembers {
  membersVersion = 0;
  selectionVersion = 0;
  workers: readonly Worker[];

  constructor(workers: readonly Worker[]) {
    this.workers = workers;
  }

  members(): readonly Worker[] {
    return this.workers;
  }
}

function cluster(name: string, workers: readonly Worker[], members = new FakeMembers(workers)): WorkerCluster {
  return new WorkerCluster({ name, policy: 'round_robin', timeouts: DEFAULT_TIMEOUTS }, members, []);
}

test('candidates are the members that name the model, or take any', () => {
  const model = fc.constantFrom('a', 'b', 'c');
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(model), { maxLength: 6 }), model, (memberModels, asked) => {
      const workers = memberModels.map((models) => worker(...models));
      const subject = cluster('c', workers);
      const expected = workers.filter((w) => w.models.length === 0 || w.models.includes(asked));
      assert.deepEqual(subject.candidates(asked), expected);
      assert.equal(subject.serves(asked), expected.length > 0);
      assert.deepEqual(subject.candidates(undefined), workers);
      assert.equal(subject.serves(undefined), workers.length > 0);
      assert.deepEqual([...subject.models()].sort(), [...new Set(memberModels.flat())].sort());
      assert.equal(subject.candidates(asked), subject.candidates(asked), 'the same array');
    }),
  );
});

test('a change of models is seen at the next look', () => {
  const changing = worker();
  const members = new FakeMembers([changing]);
  const subject = cluster('c', [], members);
  assert.equal(subject.serves('a'), true);
  changing.models = ['b'];
  members.membersVersion += 1;
  assert.equal(subject.serves('a'), false);
  assert.equal(subject.serves('b'), true);
});

test('asking for a model that nobody has leaves nothing behind', () => {
  const subject = cluster('c', [worker('a')]);
  for (let i = 0; i < 100; i += 1) assert.deepEqual(subject.candidates(`m${i}`), []);
  assert.deepEqual([...subject.models()], ['a']);
});

test('a cluster that names the model goes before one that takes any; else file order decides', () => {
  const any = cluster('any', [worker()]);
  const first = cluster('first', [worker('a', 'b')]);
  const second = cluster('second', [worker('a', 'c')]);
  const empty = cluster('empty', []);
  const set = new ClusterSet([empty, any, first, second]);
  assert.equal(set.forModel('a'), first);
  assert.equal(set.forModel('c'), second);
  assert.equal(set.forModel('z'), any);
  assert.equal(set.forModel(undefined), any);
  assert.equal(new ClusterSet([first]).forModel('z'), undefined);
  assert.equal(set.get('second'), second);
  assert.equal(set.get('none'), undefined);
  assert.deepEqual(set.list(), [empty, any, first, second]);
});

test('members come and go; lists that a change leaves alone keep their identity', () => {
  const [a, b, c] = [worker('x'), worker('y'), worker('x')];
  const members = new FakeMembers([a, b]);
  const subject = cluster('c', [], members);
  const [forX, forY, all] = [subject.candidates('x'), subject.candidates('y'), subject.workers];
  members.membersVersion += 1;
  assert.equal(subject.workers, all);
  members.workers = [a, b, c];
  members.membersVersion += 1;
  assert.deepEqual(subject.candidates('x'), [a, c]);
  assert.equal(subject.candidates('y'), forY);
  members.workers = [a, b];
  members.membersVersion += 1;
  assert.deepEqual(subject.candidates('x'), forX);
});

test('what may be chosen: available and not overloaded, by priority; the overloaded ones only when there is nothing else', () => {
  const fact = fc.record({
    available: fc.boolean(),
    overloaded: fc.boolean(),
    priority: fc.constantFrom(10, 50, 90),
    models: fc.constantFrom([], ['a'], ['b']),
  });
  const change = fc.record({ at: fc.nat(7), facts: fact });
  fc.assert(
    fc.property(fc.array(fact, { maxLength: 8 }), fc.array(change, { maxLength: 10 }), (facts, changes) => {
      const workers = facts.map((fields) => Object.assign(worker(), fields));
      const members = new FakeMembers(workers);
      const subject = cluster('c', [], members);
      for (const { at, facts: changed } of [...changes, { at: 0, facts: undefined }]) {
        for (const model of [undefined, 'a', 'b']) {
          const { tiers, overloaded } = subject.selectable(model);
          const available = subject.candidates(model).filter((each) => each.available);
          const usable = available.filter((each) => !each.overloaded);
          assert.deepEqual(overloaded, usable.length > 0 ? [] : available);
          assert.deepEqual(
            tiers.map(({ priority, workers: list }) => ({ priority, list })),
            [90, 50, 10]
              .map((priority) => ({ priority, list: usable.filter((each) => each.priority === priority) }))
              .filter(({ list }) => list.length > 0),
          );
          assert.equal(subject.selectable(model), subject.selectable(model), 'the same until something changes');
        }
        const target = workers[at];
        if (target !== undefined && changed !== undefined) {
          Object.assign(target, changed);
          members.membersVersion += 1;
          members.selectionVersion += 1;
        }
      }
    }),
  );
});

/** With a card of each model: its name, then its aliases. */
function cardWorker(runtime: string, ...cards: [string, ...string[]][]): Worker {
  const made = worker(...cards.map(([id]) => id));
  return Object.assign(made, { runtime, cards: cards.map(([id, ...aliases]) => ({ id, aliases })) });
}

test('an alias stands for what its first declarer means, and passes on when that one goes', () => {
  const first = cardWorker('sglang', ['m1', 'fast']);
  const second = cardWorker('vllm', ['m2', 'fast']);
  const members = new FakeMembers([first, second]);
  const subject = cluster('c', [], members);
  assert.equal(subject.canonicalModel('fast'), 'm1');
  assert.deepEqual(subject.candidates('fast'), [first]);
  assert.equal(subject.serves('fast'), true);
  assert.equal(subject.hasModel('fast'), false);
  assert.deepEqual([...subject.models()], ['m1', 'm2'], 'not listed');
  members.workers = [second];
  members.membersVersion += 1;
  assert.equal(subject.canonicalModel('fast'), 'm2');
  assert.deepEqual(subject.candidates('fast'), [second]);
});

test('a canonical name shadows an equal alias, whoever comes first', () => {
  const alias = cardWorker('sglang', ['m1', 'm2']);
  const canonical = cardWorker('sglang', ['m2']);
  for (const workers of [
    [alias, canonical],
    [canonical, alias],
  ]) {
    const subject = cluster('c', workers);
    assert.equal(subject.canonicalModel('m2'), 'm2');
    assert.deepEqual(subject.candidates('m2'), [canonical]);
  }
});

test("a provider's alias is what it is: all providers that declare it, and the name as it is written", () => {
  const first = cardWorker('external', ['gpt', 'gpt-2024-01']);
  const other = cardWorker('external', ['gpt', 'gpt-2024-02']);
  const both = cardWorker('external', ['gpt', 'gpt-2024-01', 'gpt-2024-02']);
  const members = new FakeMembers([first, other, both]);
  const subject = cluster('c', [], members);
  assert.equal(subject.canonicalModel('gpt-2024-01'), 'gpt-2024-01');
  const list = subject.candidates('gpt-2024-01');
  assert.deepEqual(list, [first, both]);
  members.membersVersion += 1;
  assert.equal(subject.candidates('gpt-2024-01'), list, 'the same list while nothing about it changes');
});

test('a cluster with the alias goes before one that takes any model, and after one that names it', () => {
  const any = cluster('any', [worker()]);
  const aliased = cluster('aliased', [cardWorker('vllm', ['m', 'x'])]);
  assert.equal(new ClusterSet([any, aliased]).forModel('x'), aliased);
  const named = cluster('named', [worker('x')]);
  const set = new ClusterSet([any, aliased, named]);
  assert.equal(set.forModel('x'), named);
  assert.equal(set.hasModel('x'), true);
  assert.equal(set.hasModel('y'), false);
});

test('among members that take any model, those of the provider that has such models are asked', () => {
  const of = (provider: string | undefined, ...models: string[]) => Object.assign(worker(...models), { provider });
  const [openai, azure, claude, engine] = [of('openai'), of('azure'), of('anthropic'), of(undefined)];
  const mixed = cluster('c', [openai, azure, claude, engine]);
  assert.deepEqual(mixed.candidates('gpt-4o'), [openai, azure]);
  assert.equal(mixed.candidates('gpt-4o'), mixed.candidates('o3'), 'the same list');
  assert.deepEqual(mixed.candidates('claude-x'), [claude]);
  assert.deepEqual(mixed.candidates('grok-4'), [engine], 'nobody of xAI: who may have anything');
  assert.deepEqual(mixed.candidates('llama'), [openai, azure, claude, engine]);
  assert.deepEqual(mixed.candidates('anthropic/claude-x'), [claude]);
  assert.equal(mixed.canonicalModel('Claude/claude-x'), 'claude-x');
  assert.equal(mixed.canonicalModel('meta/llama'), 'meta/llama');
  // One that lists a model is joined by those that may have it only.
  const listed = cluster('c', [claude, of('openai', 'gpt-4o'), openai]);
  assert.equal(listed.candidates('gpt-4o').includes(claude), false);
  assert.equal(listed.candidates('gpt-4o').length, 2);
  // Of one provider alone all are asked: a proxy may have models of others.
  assert.deepEqual(cluster('c', [openai]).candidates('claude-x'), [openai]);
});

test('a model goes to the cluster whose catch-all provider has such models', () => {
  const of = (name: string, provider: string) => cluster(name, [Object.assign(worker(), { provider })]);
  const set = new ClusterSet([of('a', 'openai'), of('b', 'anthropic'), of('c', 'gemini'), of('d', 'groq')]);
  const chosen = (model: string) => set.forModel(model)?.name;
  assert.equal(chosen('gpt-5'), 'a');
  assert.equal(chosen('claude-opus'), 'b');
  assert.equal(chosen('gemini-2.5-pro'), 'c');
  assert.equal(chosen('groq/llama'), 'd');
  assert.equal(chosen('llama'), 'a', 'the first that takes any');
});
