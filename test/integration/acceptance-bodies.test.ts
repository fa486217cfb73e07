import assert from 'node:assert/strict';
import net from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { Fleet } from './acceptance-fixture.js';

const LIMIT = 1_024;
const DEFAULT_LIMIT = 512 * 1024 * 1024;

/** A chat request of exactly so many bytes. */
function bodyOf(bytes: number): string {
  const empty = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: '' }] });
  return empty.replace('""', `"${'x'.repeat(bytes - empty.length)}"`);
}

/** Sends bytes on a connection of its own; the answer up to the end of its first head. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) {
    answer += String(chunk);
    if (answer.includes('\r\n\r\n')) break;
  }
  socket.destroy();
  return answer;
}

const head = (framing: string): string =>
  `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`;

describe('limits of request bodies, end to end', () => {
  const fleet = new Fleet();
  afterEach(() => fleet.close());

  async function start(limits: string): Promise<number> {
    const { url } = await fleet.sim();
    const { port } = await fleet.start(`
listeners: [{ host: 127.0.0.1, port: 0${limits} }]
clusters: [{ workers: [{ url: "${url}", models: [m] }] }]
`);
    return port;
  }

  it('exactly the limit passes, one byte more is 413, with a length and in chunks', async () => {
    const port = await start(`, limits: { body: ${LIMIT}B }`);
    for (const [bytes, status] of [
      [LIMIT, 200],
      [LIMIT + 1, 413],
    ] as const) {
      const body = bodyOf(bytes);
      assert.equal(Buffer.byteLength(body), bytes);
      const whole = await exchange(port, head(`content-length: ${bytes}`) + body);
      assert.match(whole, new RegExp(`^HTTP/1.1 ${status} `));
      const chunk = `${bytes.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
      const chunked = await exchange(port, head('transfer-encoding: chunked') + chunk);
      assert.match(chunked, new RegExp(`^HTTP/1.1 ${status} `));
    }
    const refused = await fleet.call('POST', '/v1/chat/completions', bodyOf(LIMIT + 1));
    assert.equal(refused.json.error.type, 'invalid_request_error');
  });

  it('the default is 512 MiB: one byte more is refused before it is sent', async () => {
    const port = await start('');
    const expect = (bytes: number): string => head(`content-length: ${bytes}\r\nexpect: 100-continue`);
    assert.match(await exchange(port, expect(DEFAULT_LIMIT)), /^HTTP\/1\.1 100 /);
    assert.match(await exchange(port, expect(DEFAULT_LIMIT + 1)), /^HTTP\/1\.1 413 /);
  });

  it('the bytes of a request reach the worker as they were written', async () => {
    const sim = await fleet.sim();
    await fleet.start(`clusters: [{ workers: [{ url: "${sim.url}", models: [m] }] }]`);
    const text =
      '{ "model" : "m",\n "messages":[{"role":"user","content":"h\\u00e9llo"}], "temperature": 1.0, "x": 1e0 }';
    assert.equal((await fleet.call('POST', '/v1/chat/completions', text)).status, 200);
    const sent = sim.requests().filter(({ path }) => path === '/v1/chat/completions');
    assert.equal(sent.at(-1)?.body.toString(), text);
  });
});
