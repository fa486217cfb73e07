import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Worker } from '../api/worker.js';
import { WorkerCluster } from './cluster.js';
import { ClusterSet } from './clusters.js';
import { DEFAULT_TIMEOUTS } from './worker-spec.js';

/** Only what a cluster looks at. */
function worker(...models: string[]): Worker & { models: string[] } {
  return { models } as unknown as Worker & { models: string[] };
}

function cluster(name: string, workers: readonly Worker[], version = { modelsVersion: 0 }): WorkerCluster {
  return new WorkerCluster({ name, policy: 'round_robin', timeouts: DEFAULT_TIMEOUTS }, workers, version);
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
  const version = { modelsVersion: 0 };
  const changing = worker();
  const subject = cluster('c', [changing], version);
  assert.equal(subject.serves('a'), true);
  changing.models = ['b'];
  version.modelsVersion += 1;
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
