import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../testing/fake-clock.js';
import { type RawConnection, RawWorker, type RecordingHandler, sendTo } from './raw-worker.fixture.js';
import { HttpUpstreamClient } from './upstream-client.js';

let clock: FakeClock;
let client: HttpUpstreamClient;
let workers: RawWorker[];

beforeEach(() => {
  clock = new FakeClock();
  client = new HttpUpstreamClient({ clock });
  workers = [];
});

afterEach(async () => {
  client.closeAll();
  for (const worker of workers) await worker.close();
  assert.equal(clock.pendingTimers, 0, 'a timer was leaked');
});

async function startWorker(onRequest: (connection: RawConnection, request: string) => unknown): Promise<RawWorker> {
  const worker = await new RawWorker(onRequest).listen();
  workers.push(worker);
  return worker;
}

/** A worker that answers everything with the same bytes, and closes when asked to. */
function answering(bytes: string, close = false): Promise<RawWorker> {
  return startWorker((connection) => {
    connection.write(bytes);
    if (close) connection.socket.end();
  });
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

test('the request goes out in one piece with its framing, the answer comes back', async () => {
  const worker = await answering(OK);
  const fields = ['content-type', 'application/json', 'connection', 'x', 'content-length', '99', 'x-a', '1'];
  const { handler } = sendTo(client, worker.url, { fields, body: '{"b":2}' });
  await handler.ended;
  assert.deepEqual(handler.events, ['headers 200', 'data end']);
  assert.equal(handler.body, 'ok');
  assert.deepEqual(worker.requests, [
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:${worker.port}\r\n` +
      'content-type: application/json\r\nx-a: 1\r\ncontent-length: 7\r\n\r\n{"b":2}',
  ]);
});

test('a body that is too large for one write arrives whole', async () => {
  const worker = await answering(OK);
  const body = Buffer.alloc(3 * 1024 * 1024, 'x');
  const { handler } = sendTo(client, worker.url, { body });
  await handler.ended;
  assert.equal(handler.status, 200);
  assert.equal(worker.requests[0]?.length, (worker.requests[0]?.indexOf('\r\n\r\n') ?? 0) + 4 + body.length);
});

test('a POST without a body says so, a GET says nothing', async () => {
  const worker = await answering(OK);
  await sendTo(client, worker.url, { body: '' }).handler.ended;
  await sendTo(client, worker.url, { method: 'GET', path: '/health' }).handler.ended;
  assert.match(worker.requests[0] ?? '', /\r\ncontent-length: 0\r\n/);
  assert.doesNotMatch(worker.requests[1] ?? '', /content-length/);
});

test('chunks are passed on with their framing, trailers end the answer', async () => {
  const worker = await answering(
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1;ext=1\r\n!\r\n0\r\nx-sum: 6\r\n\r\n',
  );
  const { handler } = sendTo(client, worker.url);
  await handler.ended;
  assert.equal(handler.body, 'hello!');
  assert.deepEqual(handler.framed, ['5\r\nhello\r\n', undefined]);
  assert.deepEqual(handler.trailers?.flat, ['x-sum', '6']);
  assert.equal(client.counts(worker.url).idle, 1);
});

test('interim answers are passed over, switching protocols is refused', async () => {
  const worker = await answering(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${OK}`);
  const { handler } = sendTo(client, worker.url);
  await handler.ended;
  assert.deepEqual(handler.events, ['headers 200', 'data end']);

  const switching = await answering('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n');
  const refused = sendTo(client, switching.url).handler;
  await refused.ended;
  assert.match(refused.events.join(), /^error upstream_protocol_error/);
});

test('answers without a body end with their head and leave the connection usable', async () => {
  for (const [method, head] of [
    ['HEAD', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n'],
    ['POST', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['POST', 'HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n'],
    ['POST', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
  ] as const) {
    const worker = await answering(head);
    for (let i = 0; i < 2; i += 1) {
      const { handler } = sendTo(client, worker.url, { method });
      await handler.ended;
      assert.match(handler.events.join(), /^headers \d+ end$/);
    }
    assert.equal(worker.connections.length, 1);
  }
});

test('a body without a length lasts until the end of the connection', async () => {
  const worker = await answering('HTTP/1.1 200 OK\r\n\r\nall of it', true);
  const { handler } = sendTo(client, worker.url);
  await handler.ended;
  assert.equal(handler.body, 'all of it');
  assert.ok(handler.complete);
  assert.deepEqual(client.counts(worker.url), { open: 0, idle: 0, waiting: 0 });
});

test('the same events come of every cut of the answer', async () => {
  const answer =
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n' +
    '4\r\nabcd\r\nA\r\n0123456789\r\n0\r\n\r\n';
  let cuts: number[] = [];
  const worker = await startWorker(async (connection) => {
    let from = 0;
    for (const to of [...cuts, answer.length]) {
      connection.write(answer.slice(from, to));
      from = to;
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  const cutList = fc.uniqueArray(fc.integer({ min: 1, max: answer.length - 1 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(cutList, async (chosen) => {
      cuts = chosen.sort((a, b) => a - b);
      const { handler } = sendTo(client, worker.url);
      await handler.ended;
      assert.equal(handler.events[0], 'headers 200');
      assert.deepEqual(handler.headers?.flat, ['x-a', 'b', 'transfer-encoding', 'chunked']);
      assert.equal(handler.body, 'abcd0123456789');
      assert.ok(handler.complete);
    }),
    { numRuns: 60 },
  );
  assert.equal(worker.connections.length, 1);
});

test('failures before the answer say which', async () => {
  const closed = await answering(OK);
  const { url } = closed;
  await closed.close();
  const cases: [string, Promise<RecordingHandler>][] = [
    ['error upstream_connect_failed connect_refused', sendTo(client, url).handler.ended],
  ];
  for (const [expected, onRequest] of [
    ['error upstream_reset closed_before_head', (c: RawConnection) => c.socket.end()],
    ['error upstream_reset reset_before_head', (c: RawConnection) => c.socket.resetAndDestroy()],
    ['error upstream_reset closed_before_head', (c: RawConnection) => c.socket.end('HTTP/1.1 200 O')],
    ['error upstream_protocol_error http1_bad_start_line', (c: RawConnection) => c.write('220 smtp ready\r\n')],
    [
      'error upstream_protocol_error http1_length_and_encoding',
      (c: RawConnection) => c.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n'),
    ],
    [
      'error upstream_protocol_error http1_head_too_large',
      (c: RawConnection) => c.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`),
    ],
  ] as const) {
    const worker = await startWorker(onRequest);
    cases.push([expected, sendTo(client, worker.url).handler.ended]);
  }
  for (const [expected, ended] of cases) {
    const handler = await ended;
    assert.deepEqual(handler.events, [expected]);
    assert.doesNotMatch(handler.error?.message ?? '', /127\.0\.0\.1|http:/);
    assert.equal(handler.error?.retryable, true);
  }
});

test('failures in mid-body never look like an end', async () => {
  for (const [expected, body, reset] of [
    ['error upstream_reset closed_mid_body', 'content-length: 5\r\n\r\nabc', false],
    ['error upstream_reset closed_mid_body', 'transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n', false],
    ['error upstream_reset reset_mid_body', 'transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n', true],
    ['error upstream_protocol_error http1_bad_chunk', 'transfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n', false],
  ] as const) {
    const worker = await startWorker((connection) => {
      connection.write(`HTTP/1.1 200 OK\r\n${body}`);
      if (!reset) connection.socket.end();
    });
    const { handler } = sendTo(client, worker.url);
    if (reset) {
      await handler.until('data');
      worker.connections[0]?.socket.resetAndDestroy();
    }
    await handler.ended;
    assert.equal(handler.events[0], 'headers 200');
    assert.equal(handler.events.at(-1), expected);
    assert.equal(handler.events.filter((event) => event.endsWith('end')).length, 0);
  }
});

test('the worker sees an abort in every phase, and nothing is called afterwards', async () => {
  for (const [answer, phase] of [
    ['', 'waiting'],
    ['HTTP/1.1 200 OK\r\ncont', 'waiting'],
    ['HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n', 'headers'],
    ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n', 'data'],
  ] as const) {
    let requestSeen = (): void => {};
    const seen = new Promise<void>((resolve) => {
      requestSeen = resolve;
    });
    const worker = await startWorker((connection) => {
      if (answer !== '') connection.write(answer);
      requestSeen();
    });
    const { handler, exchange } = sendTo(client, worker.url);
    handler.onEvent = (event) => {
      if (event === phase) exchange.abort();
    };
    await seen;
    if (phase === 'headers') await handler.until('headers');
    // In the phase `data` the handler aborts in its first callback: the second chunk, of the same read, must not come.
    if (phase === 'data') await handler.until('data');
    exchange.abort();
    exchange.abort();
    exchange.pause();
    exchange.resume();
    const before = handler.events.length;
    await worker.connections[0]?.closed;
    assert.equal(handler.events.length, before);
    assert.ok(handler.events.filter((event) => event === 'data').length <= 1);
    assert.equal(handler.error, undefined);
    assert.equal(client.counts(worker.url).open, 0);
  }
});

test('an abort while connecting calls nobody and keeps nothing', async () => {
  const worker = await answering(OK);
  const { handler, exchange } = sendTo(client, worker.url);
  exchange.abort();
  assert.deepEqual(client.counts(worker.url), { open: 0, idle: 0, waiting: 0 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(handler.events, []);
});

test('an abort after the end leaves the connection alone', async () => {
  const worker = await answering(OK);
  const { handler, exchange } = sendTo(client, worker.url);
  handler.onEvent = (event) => {
    if (event === 'data end') exchange.abort();
  };
  await handler.ended;
  exchange.abort();
  assert.deepEqual(client.counts(worker.url), { open: 1, idle: 1, waiting: 0 });
});

test('each time limit has its own error', async () => {
  const silent = await startWorker(() => {});
  const connecting = sendTo(client, silent.url).handler;
  // Before the event loop turns, the connection cannot have come about.
  clock.advance(10_000);
  await connecting.ended;
  assert.deepEqual(connecting.events, ['error upstream_timeout connect_timeout']);

  const waiting = sendTo(client, silent.url).handler;
  while (silent.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(19_999);
  assert.deepEqual(waiting.events, []);
  clock.advance(1);
  assert.deepEqual(waiting.events, ['error upstream_timeout first_byte_timeout']);

  const stalling = await answering('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc');
  const stalled = sendTo(client, stalling.url).handler;
  await stalled.until('data');
  clock.advance(39_999);
  assert.equal(stalled.error, undefined);
  clock.advance(10_001);
  assert.equal(stalled.events.at(-1), 'error upstream_timeout idle_timeout');
});

test('bytes put the idle limit off; a pause of ours is not the worker being idle', async () => {
  const worker = await answering('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc');
  const { handler, exchange } = sendTo(client, worker.url);
  await handler.until('data');
  clock.advance(30_000);
  worker.connections[0]?.write('def');
  while (handler.body !== 'abcdef') await new Promise((resolve) => setImmediate(resolve));
  clock.advance(30_000);
  assert.equal(handler.error, undefined);
  exchange.pause();
  clock.advance(1_000_000);
  assert.equal(handler.error, undefined);
  exchange.resume();
  worker.connections[0]?.write('ghi');
  await handler.ended;
  assert.equal(handler.body, 'abcdefghi');
});

test('a paused exchange stops the worker; pauses nest', async () => {
  const total = 32 * 1024 * 1024;
  const worker = await startWorker((connection) => {
    connection.write(`HTTP/1.1 200 OK\r\ncontent-length: ${total}\r\n\r\n`);
    connection.write(Buffer.alloc(total, 'x'));
  });
  const { handler, exchange } = sendTo(client, worker.url);
  handler.body = '';
  await handler.until('headers');
  exchange.pause();
  exchange.pause();
  exchange.resume();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const held = handler.bytes;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(handler.bytes, held, 'bytes came although it was paused');
  assert.ok(held < total);
  exchange.resume();
  await handler.ended;
  assert.equal(handler.bytes, total);
  assert.throws(() => {
    const other = sendTo(client, worker.url);
    try {
      other.exchange.resume();
    } finally {
      other.exchange.abort();
    }
  }, /more often/);
});

test('an exchange that was paused before it had a connection delivers nothing until resumed', async () => {
  const worker = await answering(OK);
  const { handler, exchange } = sendTo(client, worker.url);
  exchange.pause();
  while (worker.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setTimeout(resolve, 20));
  clock.advance(60_000);
  assert.deepEqual(handler.events, []);
  exchange.resume();
  await handler.ended;
  assert.equal(handler.body, 'ok');
});

test('an answer that comes before the request is read ends the connection', async () => {
  const worker = await startWorker(() => {});
  const { handler } = sendTo(client, worker.url, { body: Buffer.alloc(32 * 1024 * 1024) });
  while (worker.connections.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const connection = worker.connections[0] as RawConnection;
  connection.socket.pause();
  connection.write('HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig');
  await handler.ended;
  assert.deepEqual(handler.events, ['headers 413', 'data end']);
  assert.equal(client.counts(worker.url).open, 0);
  connection.socket.destroy();
});

test('headers that must not be written throw at once', async () => {
  const worker = await answering(OK);
  assert.throws(() => sendTo(client, worker.url, { fields: ['x-a', 'b\r\nx-evil: 1'] }), /must not be written/);
  assert.equal(client.counts(worker.url).open ?? 0, 0);
});
