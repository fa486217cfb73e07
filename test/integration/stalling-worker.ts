import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const EVENT = 'data: {"object":"x"}\n\n';

/**
 * A worker that does per request what the header `x-plan` says, one step for each attempt with the same `x-case`, the last
 * one for all that follow: `head` never answers, `body` answers and stops in the middle, `reset` breaks the connection,
 * `503` answers so. No connection is used twice, so that every attempt is one of the gateway's own.
 */
export class StallingWorker {
  readonly #attempts = new Map<string, number>();
  readonly #server = createServer((request, response) => this.#onRequest(request, response));

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests that came for a case. */
  attempts(id: string): number {
    return this.#attempts.get(id) ?? 0;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      const id = String(request.headers['x-case']);
      const steps = String(request.headers['x-plan']).split(',');
      const attempt = this.attempts(id);
      this.#attempts.set(id, attempt + 1);
      const step = steps[Math.min(attempt, steps.length - 1)];
      if (step === 'reset') request.socket.resetAndDestroy();
      else if (step === '503')
        response.writeHead(503, { 'content-type': 'application/json', connection: 'close' }).end('{"busy":true}');
      else if (step === 'body') stopInTheMiddle(response, body.includes('"stream":true'));
    });
  }
}

function stopInTheMiddle(response: ServerResponse, stream: boolean): void {
  if (stream) response.writeHead(200, { 'content-type': 'text/event-stream' }).write(EVENT);
  else response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{"object":');
}
