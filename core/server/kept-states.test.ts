import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GenerationLifetime } from './generation-lifetime.js';
import { KeptStates } from './kept-states.js';

describe('KeptStates', () => {
  function build(states: KeptStates, name: string, type = 'admission') {
    const lifetime = new GenerationLifetime();
    const activations: (() => void)[] = [];
    const value = states.forInstance(type, name, lifetime, activations).keep<string[]>(
      () => [],
      (list) => list.push(name),
    );
    const activate = (): void => {
      for (const run of activations) run();
    };
    return { value, dispose: () => lifetime.dispose(), activate };
  }

  it('give the same value to one instance in every generation, as long as one of them lives', async () => {
    const states = new KeptStates();
    const first = build(states, 'a');
    const second = build(states, 'a');
    assert.equal(first.value, second.value);
    await first.dispose();
    const third = build(states, 'a');
    assert.equal(third.value, first.value);
    await second.dispose();
    await third.dispose();
    assert.equal(states.size, 0);
    assert.notEqual(build(states, 'a').value, first.value);
  });

  it('keep instances apart by name and type', () => {
    const states = new KeptStates();
    const all = [build(states, 'a'), build(states, 'b'), build(states, 'a', 'rate_limit')];
    assert.equal(new Set(all.map(({ value }) => value)).size, 3);
  });

  it('run what brings settings into force only when the generation comes into use', async () => {
    const states = new KeptStates();
    const used = build(states, 'a');
    used.activate();
    const rejected = build(states, 'a');
    await rejected.dispose();
    assert.deepEqual(used.value, ['a']);
    assert.equal(states.size, 1);
  });
});
