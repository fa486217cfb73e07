import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';

/** What the worker does with the first attempt of a request; a second one it answers. */
const WORKER_WAYS = ['answer', 'fail', 'reset', 'answer_unread', 'read_slowly'] as const;
/** What the client does with its request. */
const CLIENT_WAYS = ['wait', 'leave_early', 'leave_late'] as const;

interface Plan {
  readonly sizeKib: number;
  readonly worker: (typeof WORKER_WAYS)[number];
  readonly client: (typeof CLIENT_WAYS)[number];
  /** Cuts of the body on its way to the gateway. */
  readonly cuts: number;
  readonly delayMs: number;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  sizeKib: fc.integer({ min: 1, max: 300 }),
  worker: fc.constantFrom(...WORKER_WAYS),
  client: fc.oneof({ weight: 3, arbitrary: fc.constant('wait' as const) }, fc.constantFrom(...CLIENT_WAYS)),
  cuts: fc.integer({ min: 1, max: 5 }),
  delayMs: fc.integer({ min: 0, max: 8 }),
});

/** A body that tells whose each of its bytes is. */
function bodyOf(id: string, sizeKib: number): Buffer {
  const content = id.repeat(Math.ceil((sizeKib * 1024) / id.length));
  return Buffer.from(JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] }));
}

/** Checks every byte that arrives, of whole bodies and of those that were cut, against the one that was sent. */
class CheckingWorker {
  readonly #bodies = new Map<string, Buffer>();
  readonly #ways = new Map<string, Plan['worker']>();
  readonly problems: string[] = [];
  checkedBytes = 0;
  readonly #server = createServer((request, response) => this.#serve(request, response));

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  expect(id: string, body: Buffer, way: Plan['worker']): void {
    this.#bodies.set(id, body);
    this.#ways.set(id, way);
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    let id = '';
    let expected: Buffer = Buffer.alloc(0);
    let way: Plan['worker'] = 'answer';
    let at = 0;
    request.on('data', (chunk: Buffer) => {
      if (at === 0) {
        id = /<\d+>/.exec(chunk.toString('latin1'))?.[0] ?? '';
        expected = this.#bodies.get(id) ?? expected;
        way = this.#ways.get(id) ?? way;
        this.#ways.delete(id);
        this.#begin(id, way, request, response);
      }
      if (!expected.subarray(at, at + chunk.length).equals(chunk))
        this.problems.push(`foreign bytes in ${id} at ${at}`);
      at += chunk.length;
      this.checkedBytes += chunk.length;
    });
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('end', () => {
      if (at !== expected.length) this.problems.push(`${id}: ${at} of ${expected.length} bytes`);
      if (way === 'fail') response.writeHead(503, { 'content-type': 'application/json' }).end('{}');
      else if (way !== 'answer_unread') this.#answer(response, id);
    });
  }

  /** After the first bytes of a body. */
  #begin(id: string, way: Plan['worker'], request: IncomingMessage, response: ServerResponse): void {
    if (way === 'answer_unread') {
      this.#answer(response, id);
    } else if (way === 'reset') {
      request.socket.resetAndDestroy();
    } else if (way === 'read_slowly') {
      request.pause();
      setTimeout(() => request.resume(), 10);
    }
  }

  #answer(response: ServerResponse, id: string): void {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ id, choices: [] }));
  }
}

describe('memory of request bodies', { timeout: 60_000 }, () => {
  const worker = new CheckingWorker();
  let gateway: GatewayFixture;
  let serial = 0;

  before(async () => {
    const url = await worker.open();
    gateway = await startGateway(`
clusters: [{ name: c, health: off, workers: [{ url: "${url}", models: [m] }], pool: { max_per_worker: 8 } }]
telemetry: { logs: { access: false }, metrics: { prometheus: off } }
`);
  });

  after(async () => {
    await gateway.close();
    worker.close();
  });

  /** One request after its plan; resolves when the client has its answer or has left. */
  async function run(one: Plan): Promise<void> {
    const id = `<${++serial}>`;
    const body = bodyOf(id, one.sizeKib);
    worker.expect(id, body, one.worker);
    await sleep(one.delayMs);
    const outgoing = openRequest({
      ...{ host: '127.0.0.1', port: gateway.port, method: 'POST', path: '/v1/chat/completions', agent: false },
      headers: { 'content-type': 'application/json', 'content-length': body.length },
    });
    const answered = new Promise<string | undefined>((resolve) => {
      outgoing.once('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.once('close', () => resolve(response.statusCode === 200 ? text : undefined));
      });
      outgoing.on('error', () => resolve(undefined));
    });
    const step = Math.ceil(body.length / one.cuts);
    for (let at = 0; at < body.length; at += step) {
      outgoing.write(body.subarray(at, at + step));
      if (one.cuts > 1) await sleep(1);
      if (one.client === 'leave_early' && at > 0) break;
    }
    if (one.client === 'wait') {
      outgoing.end();
    } else {
      await sleep(1);
      outgoing.destroy();
    }
    const text = await answered;
    if (text !== undefined) assert.equal((JSON.parse(text) as { id: string }).id, id);
    else if (one.client === 'wait') assert.notEqual(one.worker, 'answer', 'an answer that nothing stood against');
  }

  it('is never another request’s, whatever clients and workers do', async () => {
    const property = fc.asyncProperty(fc.array(plan, { minLength: 6, maxLength: 16 }), async (plans) => {
      await Promise.all(plans.map(run));
      assert.deepEqual(worker.problems, []);
    });
    await fc.assert(property, { numRuns: 25, endOnFailure: true });
    assert.ok(worker.checkedBytes > 10 * 1024 * 1024, `${worker.checkedBytes} bytes were checked`);
  });
});
