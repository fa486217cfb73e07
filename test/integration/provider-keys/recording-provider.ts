import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it arrived; header names in lower case, repeated ones repeated. */
export interface RecordedRequest {
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** What a recording provider answers instead of its own answer. */
export type Verdict = { readonly status: number; readonly json: object } | undefined;

/**
 * Stands for every provider at once, in clear text, so that thousands of requests cost seconds: it takes any key, answers in
 * the dialect of the path, and remembers every header. Requests are told apart by a mark in their body.
 */
export class RecordingProvider {
  readonly requests: RecordedRequest[] = [];
  /** Decides per request; undefined: the usual answer. */
  verdict: (request: RecordedRequest) => Verdict = () => undefined;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<RecordingProvider> {
    const server = createServer((request, response) => void provider.#serve(request, response));
    const provider = new RecordingProvider(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return provider;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of incoming) body += chunk;
    const { url: path = '', rawHeaders } = incoming;
    const headers: [string, string][] = [];
    for (let i = 0; i < rawHeaders.length; i += 2) {
      headers.push([(rawHeaders[i] as string).toLowerCase(), rawHeaders[i + 1] as string]);
    }
    const request = { path, headers, body };
    this.requests.push(request);
    const { status, json } = this.verdict(request) ?? { status: 200, json: answerTo(path) };
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(json));
  }
}

function answerTo(path: string): object {
  if (path.endsWith('/messages')) {
    return {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [{ type: 'text', text: 'Yes.' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 1, output_tokens: 1 },
    };
  }
  if (path.includes(':generateContent')) {
    const content = { role: 'model', parts: [{ text: 'Yes.' }] };
    return { candidates: [{ index: 0, content, finishReason: 'STOP' }], usageMetadata: { promptTokenCount: 1 } };
  }
  if (path.includes('/models')) return { data: [{ id: 'listed' }], models: [{ name: 'models/listed' }] };
  const message = { role: 'assistant', content: 'Yes.' };
  return { id: 'c', object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }] };
}
