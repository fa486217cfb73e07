import http from 'node:http';
import http2 from 'node:http2';

/** What one request came to. */
export interface RawAnswer {
  /** 0 when no head arrived. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** The transport said that the message was whole. */
  readonly complete: boolean;
}

/** A request under way. */
export interface RawRequest {
  readonly answer: Promise<RawAnswer>;
  /** Resolves with the first body bytes. */
  readonly firstByte: Promise<void>;
  /** The client leaves. */
  leave(): void;
}

/** Protocols that the matrix speaks. */
export type RawProtocol = 'h1' | 'h2';

/** Sends one POST on a connection of its own. */
export function rawPost(
  protocol: RawProtocol,
  port: number,
  path: string,
  body: object,
  headers: Record<string, string> = {},
): RawRequest {
  const bytes = Buffer.from(JSON.stringify(body));
  const all = { 'content-type': 'application/json', 'content-length': String(bytes.length), ...headers };
  return protocol === 'h1' ? postH1(port, path, bytes, all) : postH2(port, path, bytes, all);
}

class Collector {
  readonly answer: Promise<RawAnswer>;
  readonly firstByte: Promise<void>;
  status = 0;
  headers: RawAnswer['headers'] = {};
  #body = '';
  #resolveAnswer!: (answer: RawAnswer) => void;
  #resolveFirst!: () => void;

  constructor() {
    this.answer = new Promise((resolve) => {
      this.#resolveAnswer = resolve;
    });
    this.firstByte = new Promise((resolve) => {
      this.#resolveFirst = resolve;
    });
  }

  add(chunk: Buffer): void {
    this.#body += chunk.toString('utf8');
    this.#resolveFirst();
  }

  end(complete: boolean): void {
    this.#resolveFirst();
    this.#resolveAnswer({ status: this.status, headers: this.headers, body: this.#body, complete });
  }
}

function postH1(port: number, path: string, body: Buffer, headers: Record<string, string>): RawRequest {
  const collector = new Collector();
  const request = http.request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent: false }, (response) => {
    collector.status = response.statusCode ?? 0;
    collector.headers = response.headers;
    response.on('data', (chunk: Buffer) => collector.add(chunk));
    response.on('end', () => collector.end(true));
    response.on('error', () => collector.end(false));
    response.on('close', () => collector.end(false));
  });
  request.on('error', () => collector.end(false));
  request.end(body);
  return { answer: collector.answer, firstByte: collector.firstByte, leave: () => request.destroy() };
}

function postH2(port: number, path: string, body: Buffer, headers: Record<string, string>): RawRequest {
  const collector = new Collector();
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => collector.end(false));
  const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
  stream.on('response', (head) => {
    collector.status = Number(head[':status']);
    collector.headers = head as RawAnswer['headers'];
  });
  let ended = false;
  stream.on('data', (chunk: Buffer) => collector.add(chunk));
  stream.on('end', () => {
    ended = true;
  });
  stream.on('error', () => collector.end(false));
  stream.on('close', () => {
    collector.end(ended && stream.rstCode === http2.constants.NGHTTP2_NO_ERROR);
    session.close();
  });
  stream.end(body);
  return {
    answer: collector.answer,
    firstByte: collector.firstByte,
    leave: () => {
      stream.close(http2.constants.NGHTTP2_CANCEL);
      session.destroy();
    },
  };
}
