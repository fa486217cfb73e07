import { GatewayError } from '../api/errors.js';
import { ResponseHeaders } from '../api/headers.js';
import type { UpstreamClient, UpstreamExchange, UpstreamHandler, UpstreamRequest } from '../api/upstream.js';

/** One request that waits for its answer. */
export interface Asked {
  readonly request: UpstreamRequest;
  readonly handler: UpstreamHandler;
  aborted: boolean;
}

/** Answers when, and what, the test says. */
export class ScriptedClient implements UpstreamClient {
  readonly asked: Asked[] = [];
  /** Answers by path, given at once; a request for any other path waits. */
  answers: Record<string, string | number> = {};

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamExchange {
    const asked: Asked = { request, handler, aborted: false };
    this.asked.push(asked);
    const answer = this.answers[request.headers.path];
    if (answer !== undefined) queueMicrotask(() => asked.aborted || reply(handler, answer));
    return { pause() {}, resume() {}, abort: () => (asked.aborted = true) };
  }

  paths(): string[] {
    return this.asked.map(({ request }) => request.headers.path);
  }
}

/** 0: the connection is refused; another number: that status without a body; a text: 200 with it. */
export function reply(handler: UpstreamHandler, answer: string | number): void {
  if (answer === 0) {
    handler.onError(new GatewayError('upstream_connect_failed', 'no', { details: 'connect_refused' }));
  } else if (typeof answer === 'number') {
    handler.onHeaders(new ResponseHeaders(answer), true);
  } else {
    handler.onHeaders(new ResponseHeaders(200), false);
    handler.onData(Buffer.from(answer), true, undefined);
  }
}
