import {
  type Backend,
  type BackendCall,
  type BackendSink,
  GatewayError,
  type InferenceRequest,
  type RequestRules,
  type UpstreamExchange,
  type UpstreamHandler,
  type Worker,
} from '../../../core/api/index.js';
import { readInferenceRequest } from '../../../core/inference/inference-request.js';
import { JsonScanner } from '../../../core/inference/json-scan.js';
import { TranslatedExchange } from '../translate/translated-exchange.js';
import type { WorkerDialect } from '../translate/worker-dialect.js';
import { EndpointFallback } from './endpoint-fallback.js';

/** Which requests of other apis go to the worker's chat API. */
export interface TranslationRules {
  /** Apis that it never has. */
  readonly always: readonly string[];
  /** Apis that it may have: forwarded, until a worker answers that there is no such endpoint. */
  readonly whereMissing: readonly string[];
}

/** What sends to the worker as it is. */
export interface ForwardingBackend extends Backend {
  /** Without any way round, for an answer in bytes. */
  forward(call: BackendCall, handler: UpstreamHandler): UpstreamExchange;
}

/** What a translated request is from here on: one of a chat client. */
const CHAT_API: RequestRules = { type: 'chat', requestFormat: 'json', requiresModel: true };

/** Fields of the clients' heads that mean nothing to a chat API. */
const FOREIGN_HEADERS = ['anthropic-version', 'anthropic-beta', 'anthropic-dangerous-direct-browser-access'] as const;

/**
 * Backend of workers that are forwarded to, but for apis that they lack: these become requests of a chat client, which
 * then go the way of all others (provider settings included), and come back as deltas. What a worker has shown to lack is
 * remembered with it.
 */
export class TranslatedApis implements Backend {
  readonly type: string;
  readonly nativeApis: readonly string[];
  readonly usageOnRequest: boolean;
  readonly #forwarding: ForwardingBackend;
  readonly #dialect: WorkerDialect;
  readonly #always: ReadonlySet<string>;
  readonly #whereMissing: ReadonlySet<string>;
  readonly #scanner = new JsonScanner();
  /** Apis that workers have shown to lack, forgotten with them. */
  readonly #lacking = new WeakMap<Worker, Set<string>>();

  constructor(forwarding: ForwardingBackend, dialect: WorkerDialect, rules: TranslationRules) {
    this.type = forwarding.type;
    this.nativeApis = forwarding.nativeApis;
    this.usageOnRequest = forwarding.usageOnRequest === true;
    this.#forwarding = forwarding;
    this.#dialect = dialect;
    this.#always = new Set(rules.always);
    this.#whereMissing = new Set(rules.whereMissing);
  }

  send(call: BackendCall, sink: BackendSink): UpstreamExchange {
    const { request, worker } = call;
    if (request === undefined) return this.#forwarding.send(call, sink);
    const { api } = request;
    if (this.#always.has(api) || this.#lacking.get(worker)?.has(api) === true) {
      return this.#translate(request, call, sink);
    }
    if (!this.#whereMissing.has(api)) return this.#forwarding.send(call, sink);
    // The head of the second way is not the one that the first has changed.
    const again: BackendCall = { ...call, headers: call.headers.clone() };
    const fallback = new EndpointFallback(
      sink,
      (to) => this.#translate(request, again, to),
      () => this.#rememberLacking(worker, api),
    );
    return fallback.start((to) => this.#forwarding.send(call, to));
  }

  #rememberLacking(worker: Worker, api: string): void {
    const lacking = this.#lacking.get(worker) ?? new Set();
    lacking.add(api);
    this.#lacking.set(worker, lacking);
  }

  #translate(request: InferenceRequest, call: BackendCall, sink: BackendSink): UpstreamExchange {
    const conversation = request.conversation();
    const encoded = this.#dialect.encode(conversation, call);
    const { path, body, headers: own = {} } = encoded;
    const { headers } = call;
    headers.path = path;
    for (const name of FOREIGN_HEADERS) headers.delete(name);
    headers.set('accept', conversation.stream ? 'text/event-stream' : 'application/json');
    for (const [name, value] of Object.entries(own)) headers.set(name, value);
    const bytes = Buffer.from(JSON.stringify(body), 'utf8');
    const chat = readInferenceRequest(CHAT_API, 'application/json', bytes, this.#scanner);
    if (GatewayError.is(chat)) throw chat;
    const exchange = new TranslatedExchange(this.#dialect, encoded, sink);
    return this.#forwarding.forward({ ...call, request: chat }, exchange);
  }
}
