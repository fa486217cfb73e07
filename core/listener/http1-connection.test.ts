import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HeaderMap, ResponseHeaders } from '../api/headers.js';
import { FakeClock } from '../testing/fake-clock.js';
import { ListenerFixture, type RawClient, settle } from './listener.fixture.js';

const GET = 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n';
const post = (lines: string) => `POST /a HTTP/1.1\r\nHost: a\r\n${lines}\r\n\r\n`;
const bodyOf = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4);

describe('Http1Connection', () => {
  let fixture: ListenerFixture;
  const clients: RawClient[] = [];
  before(async () => {
    fixture = await ListenerFixture.open(new FakeClock());
  });
  after(async () => {
    for (const client of clients) client.socket.destroy();
    await fixture.close();
  });
  const connect = async () => {
    const client = await fixture.connect();
    clients.push(client);
    return client;
  };

  it('answers requests one after the other on one connection', async () => {
    const client = await connect();
    for (const name of ['one', 'two']) {
      client.received = '';
      client.send(`GET /${name}?x HTTP/1.1\r\nHost: h:1\r\nX-A: b\r\n\r\n`);
      const exchange = await fixture.request();
      assert.equal(exchange.headers.path, `/${name}?x`);
      assert.equal(exchange.headers.authority, 'h:1');
      assert.equal(exchange.headers.scheme, 'http');
      assert.deepEqual(exchange.headers.flat, ['x-a', 'b']);
      assert.equal(exchange.complete, true);
      assert.equal(exchange.stream.remoteAddress, '127.0.0.1');
      exchange.answer(200, name);
      await client.untilReceived(`\r\n\r\n${name}`);
      assert.match(client.received, /^HTTP\/1\.1 200 OK\r\ndate: [^\r]+ GMT\r\ncontent-length: 3\r\n\r\n/);
    }
    assert.equal(client.ended, false);
  });

  it('frames an answer without a length in chunks, in one write per tick', async () => {
    const client = await connect();
    const packets: string[] = [];
    client.socket.on('data', (bytes: Buffer) => packets.push(bytes.latin1Slice()));
    client.send(GET);
    const exchange = await fixture.request();
    exchange.begin();
    exchange.data('hello');
    exchange.data('world!');
    await client.untilReceived('world!\r\n');
    assert.equal(packets.length, 1);
    exchange.data('', true);
    await client.untilReceived('0\r\n\r\n');
    assert.match(client.received, /transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\nworld!\r\n0\r\n\r\n$/);
  });

  it('passes a worker framing on as it is', async () => {
    const client = await connect();
    client.send(GET);
    const exchange = await fixture.request();
    const wire = Buffer.from('05\r\nhello\r\n2\r\nab\r\n');
    exchange.begin();
    exchange.stream.encodeData(wire.subarray(4, 9), false, wire.subarray(0, 11));
    exchange.stream.encodeData(wire.subarray(14, 16), true, wire.subarray(11));
    await client.untilReceived('\r\n0\r\n\r\n');
    assert.equal(bodyOf(client.received), '05\r\nhello\r\n2\r\nab\r\n0\r\n\r\n');
  });

  it('does not use framing where there are no chunks', async () => {
    const client = await connect();
    client.send(GET);
    const exchange = await fixture.request();
    const wire = Buffer.from('5\r\nhello\r\n');
    exchange.stream.encodeHeaders(new ResponseHeaders(200, ['content-length', '5']), false);
    exchange.stream.encodeData(wire.subarray(3, 8), true, wire);
    await client.untilReceived('hello');
    assert.equal(bodyOf(client.received), 'hello');
  });

  it('keeps the order of pipelined requests and looks at one at a time', async () => {
    const client = await connect();
    const before = fixture.exchanges.length;
    client.send(
      'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: a\r\n\r\n',
    );
    const first = await fixture.request();
    await settle();
    assert.equal(fixture.exchanges.length, before + 1);
    first.answer(200, 'one');
    const second = await fixture.request();
    assert.equal(second.body, 'abc');
    assert.equal(second.complete, true);
    second.answer(200, 'two');
    (await fixture.request()).answer(200, 'three');
    await client.untilReceived('three');
    assert.match(client.received, /one.*two.*three/s);
  });

  it('answers pipelined requests that are answered at once without growing the stack', async () => {
    const client = await connect();
    const before = fixture.exchanges.length;
    fixture.onRequest = (exchange) => exchange.answer(200, '.');
    client.send(GET.repeat(2000));
    await client.until(() => fixture.exchanges.length === before + 2000);
    fixture.onRequest = () => {};
    for (let i = 0; i < 2000; i++) await fixture.request();
    assert.equal(fixture.exchanges.length, before + 2000);
  });

  it('takes more pipelined requests than it holds, later', async () => {
    const client = await connect();
    const many = 10_000;
    client.send(GET.repeat(many));
    const first = await fixture.request();
    await settle();
    let answered = 0;
    fixture.onRequest = (exchange) => {
      exchange.answer(200, '.');
      answered++;
    };
    first.answer(200, '.');
    await client.until(() => answered === many - 1);
    fixture.onRequest = () => {};
    for (let i = 1; i < many; i++) await fixture.request();
  });

  it('writes no body for HEAD, 204 and 304, and keeps the length of HEAD', async () => {
    const client = await connect();
    client.send('HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n');
    const exchange = await fixture.request();
    exchange.answer(200, 'hello');
    await client.untilReceived('\r\n\r\n');
    assert.match(client.received, /content-length: 5\r\n\r\n$/);
    for (const status of [204, 304]) {
      client.received = '';
      client.send(GET);
      const other = await fixture.request();
      other.begin(status);
      other.data('ignored', true);
      await client.untilReceived('\r\n\r\n');
      assert.equal(bodyOf(client.received), '');
      assert.doesNotMatch(client.received, /content-length|transfer-encoding/);
    }
    await settle();
    assert.equal(bodyOf(client.received), '');
  });

  it('writes content-length 0 for an answer that ends with its head', async () => {
    const client = await connect();
    client.send(GET);
    (await fixture.request()).stream.encodeHeaders(new ResponseHeaders(404, []), true);
    await client.untilReceived('content-length: 0\r\n\r\n');
  });

  it('closes after an HTTP/1.0 request, whose answer has no chunks', async () => {
    const client = await connect();
    client.send('GET /a HTTP/1.0\r\n\r\n');
    const exchange = await fixture.request();
    assert.equal(exchange.stream.protocol, 'HTTP/1.0');
    assert.equal(exchange.headers.authority, '');
    exchange.begin();
    exchange.data('hello', true);
    await client.untilClosed();
    assert.match(client.received, /connection: close\r\n\r\nhello$/);
  });

  it('keeps an HTTP/1.0 connection when asked and when the answer has a length', async () => {
    const client = await connect();
    client.send('GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    (await fixture.request()).answer(200, 'x');
    await client.untilReceived('connection: keep-alive\r\n\r\nx');
    client.send('GET /b HTTP/1.0\r\n\r\n');
    assert.equal((await fixture.request()).headers.path, '/b');
  });

  it('closes when the client asks for it', async () => {
    const client = await connect();
    client.send('GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    (await fixture.request()).answer(200, 'x');
    await client.untilClosed();
    assert.match(client.received, /connection: close\r\n\r\nx$/);
  });

  it('reads chunked uploads with trailers and writes trailers', async () => {
    const client = await connect();
    client.send(`${post('Transfer-Encoding: chunked')}3\r\nabc\r\n`);
    const exchange = await fixture.request();
    await exchange.until(() => exchange.body === 'abc');
    client.send('2;x=y\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n');
    await exchange.until(() => exchange.complete);
    assert.equal(exchange.body, 'abcde');
    assert.deepEqual(exchange.trailers, ['x-sum', '5']);
    exchange.begin();
    exchange.data('x');
    exchange.stream.encodeTrailers(new HeaderMap(['x-out', '1']));
    await client.untilReceived('0\r\nx-out: 1\r\n\r\n');
    client.send(GET);
    (await fixture.request()).answer(200, 'next');
    await client.untilReceived('next');
  });

  it('tells a waiting client to continue once its body is wanted', async () => {
    const client = await connect();
    client.send(post('Content-Length: 3\r\nExpect: 100-continue'));
    const exchange = await fixture.request();
    await client.untilReceived('HTTP/1.1 100 Continue\r\n\r\n');
    client.send('abc');
    await exchange.until(() => exchange.complete);
    exchange.answer(200, 'ok');
    await client.untilReceived('ok');
    assert.equal(client.received.match(/100 Continue/g)?.length, 1);
  });

  it('does not tell it while reading is disabled, nor when it did not wait', async () => {
    const client = await connect();
    fixture.onRequest = (exchange) => exchange.stream.readDisable(true);
    client.send(post('Content-Length: 3\r\nExpect: 100-continue'));
    const exchange = await fixture.request();
    fixture.onRequest = () => {};
    await settle();
    assert.equal(client.received, '');
    exchange.stream.readDisable(false);
    await client.untilReceived('100 Continue');
    client.send('abc');
    await exchange.until(() => exchange.complete);
    exchange.answer(200, 'ok');
    await client.untilReceived('ok');

    client.received = '';
    client.send(`${post('Content-Length: 3\r\nExpect: 100-continue')}abc`);
    (await fixture.request()).answer(200, 'ok');
    await client.untilReceived('ok');
    assert.doesNotMatch(client.received, /100 Continue/);
  });

  it('answers instead of continuing, and closes, when the handler refuses at once', async () => {
    const client = await connect();
    fixture.onRequest = (exchange) => exchange.answer(413, 'no');
    client.send(post('Content-Length: 300\r\nExpect: 100-continue'));
    await fixture.request();
    fixture.onRequest = () => {};
    await client.untilClosed();
    assert.match(client.received, /^HTTP\/1\.1 413 .*connection: close\r\n\r\nno$/s);
  });

  it('reads the short rest of a body that was answered early, and goes on', async () => {
    const client = await connect();
    fixture.onRequest = (exchange) => exchange.answer(401, 'no');
    client.send(`${post('Content-Length: 10')}12345`);
    const exchange = await fixture.request();
    fixture.onRequest = () => {};
    await client.untilReceived('no');
    client.send(`67890${GET}`);
    (await fixture.request()).answer(200, 'yes');
    await client.untilReceived('yes');
    assert.equal(exchange.body, '', 'nothing is told to a handler whose answer has ended');
  });

  it('closes when much of the body is still to come, and lets the client read the answer', async () => {
    const client = await connect();
    fixture.onRequest = (exchange) => exchange.answer(413, 'too large');
    client.send(`${post('Content-Length: 100000000')}${'x'.repeat(300_000)}`);
    await fixture.request();
    fixture.onRequest = () => {};
    await client.untilClosed();
    assert.match(client.received, /connection: close\r\n\r\ntoo large$/);
    assert.equal(client.error, undefined);
  });

  it('reports a client that leaves while its answer is pending', async () => {
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      const client = await connect();
      client.send(`${post('Content-Length: 3')}abc`);
      const exchange = await fixture.request();
      await exchange.until(() => exchange.complete);
      client.socket[leave]();
      await exchange.until(() => exchange.reset !== undefined);
      assert.equal(exchange.reset, 'client_closed');
      exchange.answer(200, 'nobody reads this');
      exchange.stream.reset();
      exchange.stream.readDisable(true);
    }
  });

  it('reports a client that leaves in the middle of a stream or of its own body', async () => {
    const client = await connect();
    client.send(GET);
    const exchange = await fixture.request();
    exchange.begin();
    exchange.data('x');
    await client.untilReceived('x\r\n');
    client.socket.destroy();
    await exchange.until(() => exchange.reset === 'client_closed');

    const other = await connect();
    other.send(`${post('Content-Length: 30')}abc`);
    const upload = await fixture.request();
    await upload.until(() => upload.body === 'abc');
    other.socket.end();
    await upload.until(() => upload.reset === 'client_closed');
    assert.equal(upload.complete, false);
  });

  it('says nothing to a handler whose answer has ended', async () => {
    const client = await connect();
    client.send(GET);
    const exchange = await fixture.request();
    exchange.answer(200, 'x');
    await client.untilReceived('\r\n\r\nx');
    client.socket.destroy();
    await settle();
    assert.equal(exchange.reset, undefined);
  });

  it('never lets a reset answer look complete', async () => {
    const cases: [request: string, looks: RegExp][] = [
      [GET, /\r\n5\r\nhello\r\n$/],
      ['GET /a HTTP/1.0\r\n\r\n', /hello$/],
    ];
    for (const [request, looks] of cases) {
      const client = await connect();
      client.send(request);
      const exchange = await fixture.request();
      exchange.begin();
      exchange.data('hello');
      await client.untilReceived('hello');
      exchange.stream.reset();
      await client.untilClosed();
      assert.match(client.received, looks);
      if (exchange.stream.protocol === 'HTTP/1.0') assert.equal(client.error?.code, 'ECONNRESET');
      assert.equal(exchange.reset, undefined);
    }
  });

  it('cuts an answer that is shorter or longer than it declared', async () => {
    for (const body of ['hell', 'hello!']) {
      const client = await connect();
      client.send(GET);
      const exchange = await fixture.request();
      exchange.stream.encodeHeaders(new ResponseHeaders(200, ['content-length', '5']), false);
      exchange.data(body, true);
      await client.untilClosed();
      assert.ok(bodyOf(client.received).length < 5);
    }
  });

  it('refuses to write what would split the answer, and can still answer', async () => {
    const client = await connect();
    client.send(GET);
    const exchange = await fixture.request();
    assert.throws(() => exchange.stream.encodeHeaders(new ResponseHeaders(200, ['x', 'a\r\nb: c']), true), {
      name: 'BugError',
    });
    exchange.answer(500, 'sorry');
    await client.untilReceived('sorry');
    assert.match(client.received, /^HTTP\/1\.1 500/);
  });

  it('pauses the body and goes on with it', async () => {
    const client = await connect();
    fixture.onRequest = (exchange) => exchange.stream.readDisable(true);
    client.send(post('Content-Length: 20000000'));
    const exchange = await fixture.request();
    fixture.onRequest = () => {};
    exchange.stream.readDisable(true);
    client.socket.write(Buffer.alloc(20_000_000, 120));
    await settle();
    const held = exchange.bodyBytes;
    assert.ok(held <= 128 * 1024, `${held} bytes came in spite of it`);
    exchange.stream.readDisable(false);
    await settle();
    assert.equal(exchange.bodyBytes, held, 'calls nest');
    exchange.stream.readDisable(false);
    await exchange.until(() => exchange.complete);
    assert.equal(exchange.bodyBytes, 20_000_000);
    exchange.answer(200, 'ok');
    await client.untilReceived('ok');
  });

  const broken: [name: string, text: string, status: number][] = [
    ['both length fields', `${post('Content-Length: 1\r\nTransfer-Encoding: chunked')}0\r\n\r\n`, 400],
    ['bare LF', 'GET / HTTP/1.1\nHost: a\n\n', 400],
    ['a long target', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n`, 414],
    ['a long head', `GET / HTTP/1.1\r\nHost: a\r\nx: ${'a'.repeat(70_000)}\r\n`, 431],
    ['an unknown method', 'BREW / HTTP/1.1\r\nHost: a\r\n\r\n', 501],
    ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 505],
    ['an unknown expectation', post('Content-Length: 1\r\nExpect: a-miracle'), 417],
  ];
  for (const [name, text, status] of broken) {
    it(`answers ${name} with ${status} and closes, and no handler hears of it`, async () => {
      const client = await connect();
      const before = fixture.exchanges.length;
      client.send(`${text}${GET}`);
      await client.untilClosed();
      assert.match(client.received, new RegExp(`^HTTP/1\\.1 ${status} [^\r]+\r\n`));
      assert.match(client.received, /connection: close\r\n/);
      const { error } = JSON.parse(bodyOf(client.received));
      assert.equal(error.type, 'invalid_request_error');
      assert.equal(error.code, 'invalid_request');
      assert.equal(error.param, null);
      assert.equal(fixture.exchanges.length, before);
    });
  }

  it('ends a request whose chunks are broken', async () => {
    const client = await connect();
    client.send(`${post('Transfer-Encoding: chunked')}3\r\nabc\r\n`);
    const exchange = await fixture.request();
    await exchange.until(() => exchange.body === 'abc');
    client.send(`zz\r\n${GET}`);
    await client.untilClosed();
    assert.equal(exchange.reset, 'protocol_error');
    assert.equal(exchange.complete, false);
    assert.match(client.received, /^HTTP\/1\.1 400 /);
  });

  it('cuts the answer that has begun when the chunks of the request break', async () => {
    const client = await connect();
    client.send(`${post('Transfer-Encoding: chunked')}3\r\nabc\r\n`);
    const exchange = await fixture.request();
    exchange.begin();
    exchange.data('x');
    await client.untilReceived('x\r\n');
    client.send('zz\r\n');
    await client.untilClosed();
    assert.equal(exchange.reset, 'protocol_error');
    assert.doesNotMatch(client.received, /400|\r\n0\r\n/);
  });
});
