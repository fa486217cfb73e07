import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ZodType } from 'zod';
import { createTestAuthority } from '../../core/testing/index.js';

/** One request as it arrived. */
export interface FakeRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body parsed; undefined where it is empty or no JSON. */
  readonly json: unknown;
}

/** What a fake answers. */
export interface FakeAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, where there is no `json`. */
  readonly text?: string;
  /** Sent piece by piece, each in a write of its own, where there is neither. */
  readonly stream?: readonly (string | Buffer)[];
  /** After the stream: `end` (default), `cut` the connection, or `hold` it until the caller leaves. */
  readonly ending?: 'end' | 'cut' | 'hold';
  /** Wait between the pieces, ms. Default: none, one turn of the event loop. */
  readonly delayMs?: number;
}

export type FakeHandler = (request: FakeRequest) => FakeAnswer | Promise<FakeAnswer>;

export interface FakeProviderOptions {
  /** Without TLS. Default false: providers have it. */
  readonly plain?: boolean;
  /** Host names that its certificate is for. Default `localhost` and `127.0.0.1`. */
  readonly hosts?: readonly string[];
}

/**
 * A server that stands for a provider's: HTTPS under an authority of its own, on a free port of the loopback. Keeps what it
 * was asked. What it accepts and answers is the handler's.
 */
export class FakeProvider {
  /** `https://localhost:PORT`, without trailing slash. */
  readonly url: string;
  /** Certificate of the authority that vouches for it, PEM; empty without TLS. */
  readonly ca: string;
  /** All requests so far, in order. */
  readonly requests: FakeRequest[] = [];
  /** Answers that are being sent. */
  inFlight = 0;
  /** Answers whose caller left before they were over. */
  aborted = 0;
  /** When the last of them left, ms of `performance.now()`. */
  lastAbortMs: number | undefined = undefined;
  readonly #close: () => Promise<void>;

  private constructor(url: string, ca: string, close: () => Promise<void>) {
    this.url = url;
    this.ca = ca;
    this.#close = close;
  }

  static async start(handler: FakeHandler, options: FakeProviderOptions = {}): Promise<FakeProvider> {
    // A name of its own: of authorities of one name a client looks at the first only.
    const authority = createTestAuthority(`authority ${randomUUID()}`);
    let provider: FakeProvider | undefined;
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      void serve(provider as FakeProvider, handler, request, response);
    };
    const server =
      options.plain === true
        ? createHttpServer(onRequest)
        : createHttpsServer(authority.issue(options.hosts === undefined ? {} : { hosts: options.hosts }), onRequest);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const scheme = options.plain === true ? 'http' : 'https';
    provider = new FakeProvider(
      `${scheme}://localhost:${port}`,
      options.plain === true ? '' : authority.cert,
      async () => {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      },
    );
    return provider;
  }

  /** The only request so far, or the last of them. */
  get lastRequest(): FakeRequest {
    const last = this.requests.at(-1);
    if (last === undefined) throw new Error('the fake was not asked');
    return last;
  }

  /** Closes every connection. */
  close(): Promise<void> {
    return this.#close();
  }
}

async function serve(
  provider: FakeProvider,
  handler: FakeHandler,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  provider.inFlight++;
  response.once('close', () => {
    provider.inFlight--;
    if (response.writableFinished) return;
    provider.aborted++;
    provider.lastAbortMs = performance.now();
  });
  // A caller that leaves is counted, not reported.
  response.on('error', () => undefined);
  try {
    const request = await readRequest(incoming);
    provider.requests.push(request);
    await send(response, await handler(request));
  } catch (error) {
    // A broken handler or test must show, as nothing a provider would say.
    if (!response.headersSent) response.writeHead(599, { 'content-type': 'text/plain' });
    response.end(`the fake failed: ${String(error)}`);
  }
}

async function readRequest(incoming: IncomingMessage): Promise<FakeRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  const url = new URL(incoming.url ?? '/', 'http://fake');
  const { method = '', headers } = incoming;
  return { method, path: url.pathname, query: url.searchParams, headers, text, json: parse(text) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function send(response: ServerResponse, answer: FakeAnswer): Promise<void> {
  const { status = 200, headers = {}, json, text, stream } = answer;
  if (stream === undefined || json !== undefined || text !== undefined) {
    const body = json === undefined ? (text ?? '') : JSON.stringify(json);
    const type = json === undefined ? 'text/plain; charset=utf-8' : 'application/json';
    response.writeHead(status, { 'content-type': type, ...headers });
    response.end(body);
    return;
  }
  response.writeHead(status, { 'content-type': 'text/event-stream; charset=utf-8', ...headers });
  for (const piece of stream) {
    if (response.destroyed) return;
    response.write(piece);
    await pause(answer.delayMs);
  }
  if (answer.ending === 'cut') response.destroy();
  else if (answer.ending !== 'hold') response.end();
}

function pause(ms: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (ms === undefined) setImmediate(resolve);
    else setTimeout(resolve, ms);
  });
}

/** What is wrong with a body, in no provider's words. */
export interface Violation {
  /** `unknown` field, `missing` field, wrong `type`, a `value` that is none of the allowed, a number or length out of `range`. */
  readonly kind: 'unknown' | 'missing' | 'type' | 'value' | 'range';
  /** Keys and indices down to the field; of an unknown field its own. */
  readonly path: readonly (string | number)[];
  /** Type by zod's name, or the allowed values. */
  readonly expected: readonly string[];
  /** The value that is there. */
  readonly found: unknown;
  /** Of a range. */
  readonly bound?: { readonly side: 'min' | 'max'; readonly value: number };
}

/** First violation of a documented schema (strict objects, so that unknown fields are found); undefined when it fits. */
export function firstViolation(schema: ZodType, body: unknown): Violation | undefined {
  const result = schema.safeParse(body);
  if (result.success) return undefined;
  return violationOf(result.error.issues[0] as Issue, body);
}

/** The parts of zod's issues that are read here. */
interface Issue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly expected?: string;
  readonly values?: readonly unknown[];
  readonly options?: readonly unknown[];
  readonly keys?: readonly string[];
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
  readonly errors?: readonly (readonly Issue[])[];
  readonly discriminator?: string;
}

function violationOf(issue: Issue, body: unknown): Violation {
  const path = issue.path as readonly (string | number)[];
  const found = valueAt(body, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return { kind: 'unknown', path: [...path, issue.keys?.[0] ?? ''], expected: [], found: undefined };
    case 'invalid_value':
      if (found === undefined) return { kind: 'missing', path, expected: [], found };
      return { kind: 'value', path, expected: (issue.values ?? []).map(String), found };
    case 'too_small':
      return { kind: 'range', path, expected: [], found, bound: { side: 'min', value: Number(issue.minimum) } };
    case 'too_big':
      return { kind: 'range', path, expected: [], found, bound: { side: 'max', value: Number(issue.maximum) } };
    case 'invalid_union':
      return violationOfUnion(issue, path, found);
    default:
      if (found === undefined) return { kind: 'missing', path, expected: [issue.expected ?? ''], found };
      return { kind: 'type', path, expected: [issue.expected ?? issue.code], found };
  }
}

/** Of a union the branch that came furthest is the one that was meant. */
function violationOfUnion(issue: Issue, path: readonly (string | number)[], found: unknown): Violation {
  if (found === undefined) return { kind: 'missing', path, expected: [], found };
  const firsts = (issue.errors ?? []).flatMap((branch) => branch.slice(0, 1));
  if (firsts.length === 0) {
    const expected = (issue.options ?? []).map(String);
    const tag = issue.discriminator;
    const at = tag === undefined || path.at(-1) === tag ? path : [...path, tag];
    const value = at === path ? found : (found as Record<string, unknown> | null)?.[tag ?? ''];
    return { kind: value === undefined ? 'missing' : 'value', path: at, expected, found: value };
  }
  const deepest = firsts.reduce((best, branch) => (branch.path.length > best.path.length ? branch : best));
  if (deepest.path.length > 0) {
    const inner = violationOf(deepest, found);
    return { ...inner, path: [...path, ...inner.path] };
  }
  const inner = firsts.map((branch) => violationOf(branch, found));
  const specific = inner.find(({ kind }) => kind !== 'type');
  if (specific !== undefined) return { ...specific, path: [...path, ...specific.path] };
  return { kind: 'type', path, expected: inner.flatMap(({ expected }) => expected), found };
}

function valueAt(body: unknown, path: readonly (string | number)[]): unknown {
  let value = body;
  for (const key of path) value = (value as Record<string | number, unknown> | null | undefined)?.[key];
  return value;
}
