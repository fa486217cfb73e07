import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { startTestSim } from '../../../core/testing/sim-fixture.js';
import type { SimConfigInput } from './config.js';
import { FAULT_KINDS } from './fault.js';
import type { RunningSim } from './server.js';

const sims: RunningSim[] = [];
let sim: RunningSim;

before(async () => {
  sim = await start();
});
after(() => Promise.all(sims.map((each) => each.close())));

async function start(options: SimConfigInput = {}): Promise<RunningSim> {
  const started = await startTestSim({ ttft: 0, itl: 0, reply: 'one two three four five', ...options });
  sims.push(started);
  return started;
}

/** What a client saw on one connection. `end`: FIN, RST, or nothing within a tenth of a second. */
interface Seen {
  readonly text: string;
  readonly end: 'fin' | 'rst' | 'open';
}

/** Sends one request and reads to the end of the connection, however that comes. */
function exchange(engine: RunningSim, stream: boolean, fault: string | undefined): Promise<Seen> {
  const body = JSON.stringify({ stream, messages: [{ role: 'user', content: 'x' }] });
  const header = fault === undefined ? '' : `x-sim-fault: ${fault}\r\n`;
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(engine.port, '127.0.0.1', () => {
      socket.write(
        `POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n${header}` +
          `content-length: ${body.length}\r\n\r\n${body}`,
      );
    });
    const timer = setTimeout(() => finish('open'), 300);
    const finish = (end: Seen['end']): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text, end });
    };
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
    });
    socket.on('end', () => finish('fin'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') finish('rst');
      else reject(error);
    });
  });
}

function countEvents(seen: Seen): number {
  return seen.text.split('data: {').length - 1;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(condition(), 'still not so after two seconds');
}

test('without a fault an answer is whole', async () => {
  const stream = await exchange(sim, true, undefined);
  assert.match(stream.text, /data: \[DONE\]\n\n\r\n0\r\n\r\n$/);
  assert.equal(countEvents(stream), 7);
  const whole = await exchange(sim, false, undefined);
  assert.match(whole.text, /"content":"one two three four five"/);
});

test('cut and eof: three events, then the connection is gone; never a terminator', async () => {
  for (const kind of ['cut', 'eof']) {
    const seen = await exchange(sim, true, `${kind}=3`);
    assert.equal(countEvents(seen), 3, kind);
    assert.ok(!seen.text.includes('[DONE]') && !seen.text.endsWith('0\r\n\r\n'));
    assert.notEqual(seen.end, 'open');
    if (kind === 'eof') assert.equal(seen.end, 'fin');
    const whole = await exchange(sim, false, kind);
    const length = Number(/content-length: (\d+)/.exec(whole.text)?.[1]);
    assert.ok(whole.text.length - whole.text.indexOf('\r\n\r\n') - 4 < length, kind);
  }
});

test('cut_clean: the framing is whole, the answer is not', async () => {
  const stream = await exchange(sim, true, 'cut_clean=2');
  assert.equal(countEvents(stream), 2);
  assert.ok(!stream.text.includes('[DONE]'));
  assert.ok(stream.text.endsWith('0\r\n\r\n'));
  const whole = await exchange(sim, false, 'cut_clean');
  const body = whole.text.slice(whole.text.indexOf('\r\n\r\n') + 4);
  assert.equal(Number(/content-length: (\d+)/.exec(whole.text)?.[1]), body.length);
  assert.throws(() => JSON.parse(body), SyntaxError);
});

test('a fault that waits for more events than there are strikes before the end', async () => {
  const seen = await exchange(sim, true, 'eof=100');
  assert.ok(!seen.text.endsWith('0\r\n\r\n'));
});

test('stall: no byte, or none after the first events; the client decides when it ends', async () => {
  const aborted = sim.stats().aborted;
  assert.deepEqual(await exchange(sim, true, 'stall'), { text: '', end: 'open' });
  const later = await exchange(sim, true, 'stall=2');
  assert.deepEqual([countEvents(later), later.end], [2, 'open']);
  const whole = await exchange(sim, false, 'stall=1');
  assert.match(whole.text, /^HTTP\/1\.1 200 /);
  assert.equal(whole.end, 'open');
  await until(() => sim.stats().aborted === aborted + 3);
  assert.equal(sim.stats().inFlight, 0);
});

test('garbage in the framing, garbage for JSON', async () => {
  const chunk = await exchange(sim, true, 'garbage_chunk=1');
  assert.match(chunk.text, /\r\nzz this is no chunk size/);
  const event = await exchange(sim, true, 'bad_json=1');
  const second = event.text.split('data: ')[2] ?? '';
  assert.throws(() => JSON.parse(second.trim()), SyntaxError);
  assert.match(event.text, /\[DONE\]/);
  const whole = await exchange(sim, false, 'bad_json');
  assert.throws(() => JSON.parse(whole.text.slice(whole.text.indexOf('\r\n\r\n'))), SyntaxError);
});

test('refuse and garbage come instead of an answer', async () => {
  const refused = await exchange(sim, true, 'refuse');
  assert.equal(refused.text, '');
  assert.notEqual(refused.end, 'open');
  const garbage = await exchange(sim, true, 'garbage');
  assert.ok(!garbage.text.startsWith('HTTP/'));
  assert.notEqual(garbage.end, 'open');
});

test('where the listener can break a connection: a real RST, and bytes that are no HTTP', async () => {
  const garbage = await exchange(sim, true, 'garbage');
  assert.match(garbage.text, /this is not HTTP/);
  assert.equal(garbage.end, 'fin');
  assert.deepEqual(await exchange(sim, true, 'refuse'), { text: '', end: 'rst' });
  const cut = await exchange(sim, true, 'cut=3');
  assert.deepEqual([countEvents(cut), cut.end], [3, 'rst']);
});

test('status: that status, its Retry-After, and the body of the runtime', async () => {
  const seen = await exchange(sim, true, 'status=429;retry_after=7');
  assert.match(seen.text, /^HTTP\/1\.1 429 /);
  assert.match(seen.text, /\r\nretry-after: 7\r\n/i);
  assert.match(seen.text, /"type":"RateLimitError"/);
});

test('slow_first_token delays the first token and nothing else', async () => {
  const slow = await start({ ttft: '1m' });
  const seen = await exchange(slow, true, 'slow_first_token=1');
  assert.match(seen.text, /\[DONE\]/);
  assert.deepEqual(await exchange(slow, true, undefined), { text: '', end: 'open' });
});

test('an unknown fault is a 400 that names the known ones', async () => {
  const seen = await exchange(sim, true, 'explode');
  assert.match(seen.text, /^HTTP\/1\.1 400 /);
  for (const kind of Object.keys(FAULT_KINDS)) assert.ok(seen.text.includes(kind), kind);
});

test('a fault can name the one engine that it is for', async () => {
  const other = await start({ name: 'other' });
  assert.match((await exchange(other, true, 'status=500;worker=sim')).text, /^HTTP\/1\.1 200 /);
  assert.match((await exchange(other, true, 'status=500;worker=other')).text, /^HTTP\/1\.1 500 /);
});

test('a fault of the engine strikes a number of times, or a share of the requests', async () => {
  const counted = await start({ fault: 'status=503;times=2' });
  const statuses: string[] = [];
  for (let i = 0; i < 3; i++) statuses.push((await exchange(counted, false, undefined)).text.slice(9, 12));
  assert.deepEqual(statuses, ['503', '503', '200']);
  const sometimes = await start({ fault: 'status=503', fault_rate: 0.5 });
  let struck = 0;
  for (let i = 0; i < 40; i++) if ((await exchange(sometimes, false, undefined)).text.startsWith('503', 9)) struck += 1;
  assert.ok(struck > 5 && struck < 35, String(struck));
});

test('refuse as a fault of the engine closes the port, and lifting it opens the same one', async () => {
  const refusing = await start({ fault: 'refuse' });
  const { url } = refusing;
  await assert.rejects(exchange(refusing, true, undefined), /ECONNREFUSED/);
  await refusing.setFault(undefined);
  assert.equal(refusing.url, url);
  assert.match((await exchange(refusing, true, undefined)).text, /\[DONE\]/);
  await refusing.setFault('refuse');
  await assert.rejects(exchange(refusing, true, undefined), /ECONNREFUSED/);
});

test('faults and health can be set over HTTP, too; information endpoints meet no faults', async () => {
  const engine = await start();
  const set = (path: string, body: object): Promise<Response> =>
    fetch(engine.url + path, { method: 'POST', body: JSON.stringify(body) });
  assert.equal((await set('/sim/fault', { fault: 'status=500' })).status, 200);
  assert.match((await exchange(engine, false, undefined)).text, /^HTTP\/1\.1 500 /);
  assert.equal((await fetch(`${engine.url}/v1/models`)).status, 200);
  assert.equal((await set('/sim/fault', { fault: 'nonsense' })).status, 400);
  assert.equal((await set('/sim/fault', { fault: null })).status, 200);
  assert.match((await exchange(engine, false, undefined)).text, /^HTTP\/1\.1 200 /);
  assert.equal((await set('/sim/health', { healthy: false })).status, 200);
  assert.equal((await fetch(`${engine.url}/health`)).status, 503);
});

test('after all that, nothing is in flight and no memory is held', async () => {
  for (const each of sims) {
    await until(() => each.stats().inFlight === 0);
    const { loads } = each.stats();
    assert.deepEqual([loads.running, loads.waiting, loads.usedTokens], [0, 0, 0]);
  }
});
