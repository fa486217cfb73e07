import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { RequestHeaders } from '../api/headers.js';
import { ResponseHeaders } from '../api/headers.js';
import type { ServerStream, ServerStreamHandler } from '../api/http-server.js';
import { FakeClock } from '../testing/fake-clock.js';
import { openListener } from './listener.js';
import { shareReadBuffer } from './read-buffer.js';

/** Answers with the body that it got, copied piece by piece as the contract demands. */
class Echo implements ServerStreamHandler {
  readonly #stream: ServerStream;
  readonly #pieces: Buffer[] = [];

  constructor(stream: ServerStream, headers: RequestHeaders, endStream: boolean) {
    this.#stream = stream;
    assert.equal(headers.method, 'POST');
    if (endStream) this.#answer();
  }

  onData(bytes: Buffer, endStream: boolean): void {
    this.#pieces.push(Buffer.from(bytes));
    if (endStream) setImmediate(() => this.#answer());
  }

  onTrailers(): void {}
  onReset(): void {}
  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}

  #answer(): void {
    const body = Buffer.concat(this.#pieces);
    this.#stream.encodeHeaders(new ResponseHeaders(200, ['content-length', String(body.length)]), body.length === 0);
    if (body.length > 0) this.#stream.encodeData(body, true);
  }
}

/** What one client sends: requests behind each other without waiting, cut at will. */
const client = fc.record({
  sizes: fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 4 }),
  cuts: fc.array(fc.nat(9000), { maxLength: 6 }),
});

function requestBytes(fill: string, sizes: readonly number[]): Buffer {
  return Buffer.from(
    sizes.map((size) => `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${size}\r\n\r\n${fill.repeat(size)}`).join(''),
  );
}

/** Every body that came back, in order. */
function bodiesIn(text: string): string[] {
  return text
    .split('HTTP/1.1 200 OK\r\n')
    .slice(1)
    .map((answer) => answer.slice(answer.indexOf('\r\n\r\n') + 4));
}

describe('the shared read buffer', { timeout: 30_000 }, () => {
  it('is in use on this Node', { skip: process.platform === 'win32' }, async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const seen: string[] = [];
    server.on('connection', (socket) => {
      const shared = shareReadBuffer(socket, (bytesRead, buffer) => {
        seen.push(buffer.latin1Slice(0, bytesRead));
        return true;
      });
      assert.equal(shared, true);
      socket.on('end', () => server.close());
    });
    connect((server.address() as AddressInfo).port, '127.0.0.1').end('abc');
    await once(server, 'close');
    assert.equal(seen.join(''), 'abc');
  });

  it('keeps connections apart, pipelined bytes and any cuts included', async () => {
    const listener = await openListener(
      { clock: new FakeClock() },
      (stream, headers, endStream) => new Echo(stream, headers, endStream),
    );
    const open = async (): Promise<Socket> => {
      const socket = connect({ port: listener.port, host: '127.0.0.1', noDelay: true });
      await once(socket, 'connect');
      return socket;
    };
    const property = fc.asyncProperty(fc.array(client, { minLength: 2, maxLength: 5 }), async (clients) => {
      const sockets = await Promise.all(clients.map(open));
      const answers = sockets.map((socket, i) => {
        const { sizes } = clients[i] as (typeof clients)[number];
        return new Promise<string>((resolve) => {
          let text = '';
          socket.setEncoding('latin1').on('data', (part: string) => {
            text += part;
            const bodies = bodiesIn(text);
            if (bodies.length === sizes.length && bodies.at(-1)?.length === sizes.at(-1)) resolve(text);
          });
          socket.once('close', () => resolve(text));
        });
      });
      const sent = clients.map(({ sizes }, i) => requestBytes(String.fromCharCode(97 + i), sizes));
      const cuts = clients.map(({ cuts: at }, i) => [0, ...at.toSorted((a, b) => a - b), sent[i]?.length ?? 0]);
      for (let step = 0; step < 7; step++) {
        for (const [i, socket] of sockets.entries()) {
          const [from, to] = [cuts[i]?.[step], cuts[i]?.[step + 1]];
          if (from !== undefined && to !== undefined && to > from) socket.write(sent[i]?.subarray(from, to) ?? '');
        }
        await new Promise(setImmediate);
      }
      const texts = await Promise.all(answers);
      for (const socket of sockets) socket.destroy();
      clients.forEach(({ sizes }, i) => {
        const fill = String.fromCharCode(97 + i);
        assert.deepEqual(
          bodiesIn(texts[i] ?? ''),
          sizes.map((size) => fill.repeat(size)),
        );
      });
    });
    try {
      await fc.assert(property, { numRuns: 40 });
    } finally {
      await listener.close();
    }
  });
});
