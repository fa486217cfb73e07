import type { Backend, BackendCall, BackendSink, UpstreamClient, UpstreamExchange } from '../../../core/api/index.js';
import { COUNT_TOKENS, missingApi } from '../missing-api.js';
import { TranslatedExchange } from './translated-exchange.js';
import { WorkerAddresses } from './worker-addresses.js';
import type { EncodedRequest, WorkerDialect } from './worker-dialect.js';

/**
 * Backend of workers with a dialect of their own: requests of clients that speak it are forwarded byte for byte, all
 * others go through the {@link Conversation} that their api reads and come back as deltas.
 */
export class TranslatingBackend implements Backend {
  readonly type: string;
  readonly nativeApis: readonly string[];
  readonly #dialect: WorkerDialect;
  readonly #native: ReadonlySet<string>;
  readonly #client: UpstreamClient;
  readonly #addresses = new WorkerAddresses();

  constructor(dialect: WorkerDialect, client: UpstreamClient) {
    this.type = dialect.type;
    this.nativeApis = dialect.nativeApis;
    this.#dialect = dialect;
    this.#native = new Set(dialect.nativeApis);
    this.#client = client;
  }

  send(call: BackendCall, sink: BackendSink): UpstreamExchange {
    const { request } = call;
    if (request === undefined || this.#native.has(request.api)) return this.#forward(call, sink);
    if (request.format !== 'json' || request.api === COUNT_TOKENS) throw missingApi(request.api);
    const conversation = request.conversation();
    const encoded = this.#dialect.encode(conversation, call);
    const { headers } = call;
    headers.path = encoded.path;
    headers.set('content-type', 'application/json');
    headers.set('accept', conversation.stream ? 'text/event-stream' : 'application/json');
    setAll(headers, encoded);
    const body = Buffer.from(JSON.stringify(encoded.body), 'utf8');
    return this.#send(call, body, new TranslatedExchange(this.#dialect, encoded, sink));
  }

  #forward(call: BackendCall, sink: BackendSink): UpstreamExchange {
    const { request, headers } = call;
    if (request === undefined) {
      this.#dialect.prepareNative?.(undefined, call);
      return this.#send(call, undefined, sink);
    }
    // For this attempt only: the next one may go to a worker of another dialect.
    const own = this.#dialect.prepareNative === undefined ? request : request.fork();
    this.#dialect.prepareNative?.(own, call);
    headers.set('content-type', request.contentType);
    return this.#send(call, own.bytes(), sink);
  }

  #send(call: BackendCall, body: Buffer | undefined, handler: Parameters<UpstreamClient['send']>[1]): UpstreamExchange {
    const { worker, headers, timeouts } = call;
    const { origin, basePath } = this.#addresses.of(worker);
    headers.path = basePath + headers.path;
    headers.authority = '';
    return this.#client.send({ url: origin, headers, body, timeouts, tls: worker.tls }, handler);
  }
}

function setAll(headers: BackendCall['headers'], { headers: own }: EncodedRequest): void {
  if (own === undefined) return;
  for (const [name, value] of Object.entries(own)) headers.set(name, value);
}
