import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { startGateway } from '../testing/gateway-fixture.js';
import { startTestSim } from '../testing/sim-fixture.js';

it('the example of the README is loaded, cluster over resilience over defaults', async () => {
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8');
  const yaml = /```yaml\n([\s\S]*?)```/.exec(readme)?.[1];
  assert.ok(yaml !== undefined);
  const sim = await startTestSim();
  const gateway = await startGateway(yaml.replace('http://10.0.0.5:8000', sim.url));
  try {
    const [worker] = gateway.server.services.registry.list();
    assert.deepEqual(worker?.protection.breaker, { failures: 5, successes: 3, openMs: 60_000, windowMs: 120_000 });
    assert.deepEqual(worker?.protection.load, { pollMs: 5_000, always: false });
    assert.deepEqual(worker?.protection.overload, { waitingRequests: 8, kvUsage: 0.8 });
  } finally {
    await gateway.close();
    await sim.close();
  }
});
