/** A request as the fake worker got it, transfer coding removed. */
export interface ParsedRequest {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
}

const HEAD_END = Buffer.from('\r\n\r\n', 'latin1');
const CHUNKED = -1;
const HEAD_LIMIT_BYTES = 64 * 1024;

/** Puts one request together from what the socket delivers. Knows no pipelining: no gateway sends it upstream. */
export class RequestAssembler {
  #pieces: Buffer[];
  #buffered: number;
  /** Bytes to wait for before looking again. */
  #wanted: number;
  #method: string;
  #path: string;
  #headBytes: number;
  #bodyBytes: number;

  constructor() {
    this.#pieces = [];
    this.#buffered = 0;
    this.#wanted = 1;
    this.#method = '';
    this.#path = '';
    this.#headBytes = 0;
    this.#bodyBytes = 0;
  }

  /** The request when `bytes` completed it, a string saying what is wrong with it, undefined while it is incomplete. */
  push(bytes: Buffer): ParsedRequest | string | undefined {
    this.#pieces.push(bytes);
    this.#buffered += bytes.length;
    if (this.#buffered < this.#wanted) return undefined;
    const all = this.#pieces.length === 1 ? bytes : Buffer.concat(this.#pieces, this.#buffered);
    this.#pieces = [all];
    if (this.#headBytes === 0) {
      const end = all.indexOf(HEAD_END);
      if (end === -1) return all.length > HEAD_LIMIT_BYTES ? 'head too long' : this.#waitFor(all.length + 1);
      const problem = this.#readHead(all.toString('latin1', 0, end));
      if (problem !== undefined) return problem;
      this.#headBytes = end + 4;
    }
    if (this.#bodyBytes === CHUNKED) return this.#completeChunked(all);
    const total = this.#headBytes + this.#bodyBytes;
    if (all.length < total) return this.#waitFor(total);
    if (all.length > total) return 'bytes after the request';
    return this.#complete(all.subarray(this.#headBytes));
  }

  #waitFor(bytes: number): undefined {
    this.#wanted = bytes;
    return undefined;
  }

  #complete(body: Buffer): ParsedRequest {
    this.#pieces = [];
    this.#buffered = 0;
    this.#wanted = 1;
    this.#headBytes = 0;
    return { method: this.#method, path: this.#path, body };
  }

  #completeChunked(all: Buffer): ParsedRequest | string | undefined {
    const body = decodeChunks(all, this.#headBytes);
    if (body === undefined) return this.#waitFor(all.length + 1);
    return typeof body === 'string' ? body : this.#complete(body);
  }

  #readHead(head: string): string | undefined {
    const lines = head.split('\r\n');
    const [method = '', target = '', version = ''] = (lines[0] ?? '').split(' ');
    if (version !== 'HTTP/1.1' || !target.startsWith('/')) return `request line: ${lines[0]}`;
    this.#method = method;
    this.#path = target;
    this.#bodyBytes = 0;
    let hosts = 0;
    let lengths = 0;
    for (let i = 1; i < lines.length; i++) {
      const line = lines[i] as string;
      const colon = line.indexOf(':');
      if (colon < 1) return `header line: ${line}`;
      if (colon === 4 && line.slice(0, 4).toLowerCase() === 'host') hosts++;
      else if (colon === 14 && line.slice(0, 14).toLowerCase() === 'content-length') {
        lengths++;
        this.#bodyBytes = Number(line.slice(15));
        if (!Number.isSafeInteger(this.#bodyBytes) || this.#bodyBytes < 0) return line;
      } else if (colon === 17 && line.slice(0, 17).toLowerCase() === 'transfer-encoding') {
        lengths++;
        if (line.slice(18).trim().toLowerCase() !== 'chunked') return line;
        this.#bodyBytes = CHUNKED;
      }
    }
    if (hosts !== 1) return `${hosts} host headers`;
    if (lengths > 1 || (lengths === 0 && method === 'POST')) return `${lengths} body lengths`;
    return undefined;
  }
}

/** Payload of a chunked body that begins at `start`; undefined while incomplete, a string when it is malformed. */
function decodeChunks(bytes: Buffer, start: number): Buffer | string | undefined {
  const chunks: Buffer[] = [];
  let at = start;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at, 'latin1');
    if (lineEnd === -1) return undefined;
    const line = bytes.toString('latin1', at, lineEnd);
    if (!/^[0-9a-fA-F]+(;|$)/.test(line)) return `chunk size: ${line.slice(0, 40)}`;
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (bytes.length < at + size + 2) return undefined;
    if (size === 0) return bytes.length === at + 2 ? Buffer.concat(chunks) : 'bytes after the request';
    chunks.push(bytes.subarray(at, at + size));
    at += size + 2;
  }
}
