import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { APIS, type Api, assertError, MatrixTable, settled, until, untilMetric } from './kill-matrix-cases.js';
import { type RawAnswer, type RawProtocol, rawPost } from './raw-client.js';
import { openSilentListener, type SilentListener } from './silent-listener.js';
import { StallingWorker } from './stalling-worker.js';

/** One time limit, met in one phase of a request. */
interface Phase {
  readonly name: string;
  /** Value of `x-limit` of the route whose limit is short; `hasty`: the gateway of that name. */
  readonly limit: string;
  /** What the worker does. */
  readonly plan: string;
  /** What the access log must say. */
  readonly details: string;
  readonly attempts: number;
  check(answer: RawAnswer, stream: boolean): void;
}

const PHASES: readonly Phase[] = [
  {
    name: 'connect, connecting',
    limit: 'connect',
    plan: 'head',
    details: 'connect_timeout',
    attempts: 0,
    check: (answer) => assertError(answer, 504, 'upstream_timeout'),
  },
  {
    name: 'first_byte, waiting',
    limit: 'first_byte',
    plan: 'head',
    details: 'first_byte_timeout',
    attempts: 1,
    check: (answer) => assertError(answer, 504, 'upstream_timeout'),
  },
  {
    name: 'idle, in mid-body',
    limit: 'idle',
    plan: 'body',
    details: 'idle_timeout',
    attempts: 1,
    check: assertTimedOutInBody,
  },
  {
    name: 'request, connecting',
    limit: 'request_connecting',
    plan: 'head',
    details: 'request_deadline',
    attempts: 0,
    check: (answer) => assertError(answer, 504, 'upstream_timeout'),
  },
  {
    name: 'request, waiting',
    limit: 'request',
    plan: 'head',
    details: 'request_deadline',
    attempts: 1,
    check: (answer) => assertError(answer, 504, 'upstream_timeout'),
  },
  {
    name: 'request, in mid-body',
    limit: 'request_late',
    plan: 'body',
    details: 'request_deadline',
    attempts: 1,
    check: assertTimedOutInBody,
  },
  {
    name: 'request, waiting after a retry',
    limit: 'request_late',
    plan: 'reset,head',
    details: 'request_deadline',
    attempts: 2,
    check: (answer) => assertError(answer, 504, 'upstream_timeout'),
  },
  {
    // The next wait would end after the deadline: the client need not wait for it.
    name: 'request, before a backoff (worker resets)',
    limit: 'hasty',
    plan: 'reset',
    details: 'before_head',
    attempts: 1,
    check: (answer) => assertError(answer, 502, 'upstream_reset'),
  },
  {
    name: 'request, before a backoff (worker answers 503)',
    limit: 'hasty',
    plan: '503',
    details: '',
    attempts: 1,
    check: (answer) => {
      assert.equal(answer.status, 503);
      assert.equal(answer.body, '{"busy":true}');
    },
  },
];

/** An event stream ends with an error event and no terminator; anything else is visibly cut. */
function assertTimedOutInBody(answer: RawAnswer, stream: boolean): void {
  assert.equal(answer.status, 200);
  if (!stream) {
    assert.equal(answer.complete, false, 'a cut body looked complete');
    return;
  }
  assert.doesNotMatch(answer.body, /\[DONE\]/);
  const events = answer.body.trim().split('\n\n');
  assert.equal(events.length, 2, answer.body);
  const error = JSON.parse((events[1] as string).replace(/^data: /, '')) as { error: { code: string } };
  assert.equal(error.error.code, 'upstream_timeout');
}

const table = new MatrixTable();

describe('time limits', () => {
  const worker = new StallingWorker();
  let silent: SilentListener;
  let gateway: GatewayFixture;
  /** Its wait before a second attempt is longer than a request may take. */
  let hasty: GatewayFixture;
  let limited: GatewayFixture;

  before(async () => {
    await worker.listen();
    silent = await openSilentListener();
    const config = (backoff = '10ms', request = '60s'): string => `
clusters:
  - name: c
    health: off
    timeouts: { connect: 60s, first_byte: 60s, idle: 60s, request: ${request} }
    workers: [{ url: "${worker.url}", models: [m], runtime: sglang }]
  - name: hanging
    health: off
    timeouts: { connect: 60s, first_byte: 60s, idle: 60s, request: 60s }
    workers: [{ url: "http://127.0.0.1:${silent.port}", models: [m], runtime: sglang }]
resilience:
  circuit_breaker: off
  retry: { when: [reset, 5xx], backoff: { initial: ${backoff}, max: 10s, factor: 1, jitter: 0 }, budget: { ratio: 100 } }
filters: [{ preset: standard }, { name: upstream, config: { forward_headers: [x-plan, x-case] } }]
`;
    gateway = await startGateway(`${config()}
routes:
  - { match: { headers: { x-limit: connect } }, cluster: hanging, timeouts: { connect: 100ms } }
  - { match: { headers: { x-limit: first_byte } }, cluster: c, timeouts: { first_byte: 100ms } }
  - { match: { headers: { x-limit: idle } }, cluster: c, timeouts: { idle: 100ms } }
  - { match: { headers: { x-limit: request_connecting } }, cluster: hanging, timeouts: { request: 100ms } }
  - { match: { headers: { x-limit: request } }, cluster: c, timeouts: { request: 200ms } }
  - { match: { headers: { x-limit: request_late } }, cluster: c, timeouts: { request: 500ms } }
`);
    hasty = await startGateway(config('10s', '9s'));
    limited = await startGateway(`${config()}
limits: { concurrency: { max: 1, queue: 4, queue_timeout: 200ms } }
`);
  });

  after(async () => {
    await gateway.close();
    await hasty.close();
    await limited.close();
    worker.close();
    silent.close();
    table.print();
  });

  for (const protocol of ['h1', 'h2'] as const) {
    for (const api of APIS) {
      for (const stream of api.streams ? [false, true] : [false]) {
        const column = `${protocol} ${api.name}${stream ? ' stream' : ''}`;
        const body = stream ? { ...api.body, stream: true } : api.body;
        for (const phase of PHASES) phaseCase(column, protocol, api, body, stream, phase);
        queueCase(column, protocol, api, body);
      }
    }
  }

  function phaseCase(
    column: string,
    protocol: RawProtocol,
    api: Api,
    body: object,
    stream: boolean,
    phase: Phase,
  ): void {
    it(`${column}: ${phase.name}`, async () => {
      const id = `${column} ${phase.name}`;
      const target = phase.limit === 'hasty' ? hasty : gateway;
      const logged = target.logText().length;
      const headers = { 'x-limit': phase.limit, 'x-plan': phase.plan, 'x-case': id };
      const answer = await rawPost(protocol, target.port, api.path, body, headers).answer;
      phase.check(answer, stream);
      await settled(target);
      assert.equal(worker.attempts(id), phase.attempts);
      assert.ok(target.logText().slice(logged).includes(phase.details), `${phase.details} is not in the log`);
      const told = answer.status === 200 ? (stream ? 'error event' : 'cut') : String(answer.status);
      table.record(phase.name, column, told);
    });
  }

  function queueCase(column: string, protocol: RawProtocol, api: Api, body: object): void {
    it(`${column}: queue_timeout, queued in admission`, async () => {
      const id = `${column} queued`;
      const holder = rawPost('h1', limited.port, api.path, body, { 'x-plan': 'head', 'x-case': `${id} holder` });
      await until(() => worker.attempts(`${id} holder`) === 1);
      const answer = await rawPost(protocol, limited.port, api.path, body, { 'x-plan': 'head', 'x-case': id }).answer;
      assertError(answer, 503, 'admission_queue_timeout');
      assert.equal(answer.headers['retry-after'], '2');
      assert.equal(worker.attempts(id), 0);
      await untilMetric(limited, 'smg_admission_queue_depth', 0);
      holder.leave();
      await settled(limited);
      table.record('queue_timeout, queued in admission', column, '503');
    });
  }
});
