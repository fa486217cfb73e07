import type {
  Backend,
  BackendCall,
  BackendSink,
  InferenceRequest,
  UpstreamClient,
  UpstreamExchange,
  UpstreamHandler,
  Worker,
} from '../../../core/api/index.js';
import { COUNT_TOKENS, missingApi } from '../missing-api.js';
import { WorkerAddresses } from '../translate/worker-addresses.js';
import { TokenCount } from './token-count.js';
import { type TokenizeInput, tokenizeBody } from './tokenize-request.js';

/** Client apis that engines with an OpenAI surface take as they are. */
export const OPENAI_APIS: readonly string[] = [
  'chat',
  'completions',
  'embeddings',
  'rerank',
  'classify',
  'score',
  'messages',
  'count_tokens',
  'responses',
  'audio_transcriptions',
];

/** What differs between the engines that speak the clients' own HTTP. */
export interface HttpDialect {
  readonly type: string;
  readonly nativeApis: readonly string[];
  /** Client apis that this engine is known not to have: refused here, so that the client learns why. */
  readonly missingApis: readonly string[];
  /** Changes what is forwarded: the request, which is this attempt's own, and the head. Absent: nothing is changed. */
  prepare?(request: InferenceRequest, call: BackendCall): void;
  /** Whether `prepare` has anything to do for a worker. Default: for any. */
  prepares?(worker: Worker): boolean;
  /** What stands in the worker's paths for the `/v1` of the client's. Default the same. */
  readonly versionPath?: string;
  /** What its `/tokenize` takes, by which tokens are counted where it has no endpoint for that. Absent: it has none. */
  readonly tokenize?: TokenizeInput;
}

/**
 * Backend of workers that speak the client's dialect over HTTP: the body goes out byte for byte, the answer comes back
 * the same way. An api that is neither native nor missing is forwarded too; the worker knows best.
 */
export class HttpBackend implements Backend {
  readonly type: string;
  readonly nativeApis: readonly string[];
  readonly usageOnRequest = true;
  readonly #dialect: HttpDialect;
  readonly #missingApis: ReadonlySet<string>;
  readonly #client: UpstreamClient;
  readonly #addresses = new WorkerAddresses();
  /** Without an endpoint that counts tokens, as they said; forgotten with the worker. */
  readonly #withoutCount = new WeakSet<Worker>();

  constructor(dialect: HttpDialect, client: UpstreamClient) {
    this.type = dialect.type;
    this.nativeApis = dialect.nativeApis;
    this.#dialect = dialect;
    this.#missingApis = new Set(dialect.missingApis);
    this.#client = client;
  }

  send(call: BackendCall, sink: BackendSink): UpstreamExchange {
    const { request } = call;
    if (request?.api !== COUNT_TOKENS || this.#dialect.tokenize === undefined) return this.forward(call, sink);
    const { body } = this.#addressed(call);
    return this.#countTokens(call, request, body, sink);
  }

  /** Sends a call as it is, for an answer in bytes. */
  forward(call: BackendCall, handler: UpstreamHandler): UpstreamExchange {
    const { origin, body } = this.#addressed(call);
    return this.#sendTo(origin, call, call.headers, body, handler);
  }

  /** Changes head and body to what the worker gets. */
  #addressed(call: BackendCall): { readonly origin: string; readonly body: Buffer | undefined } {
    const { headers, request } = call;
    let body: Buffer | undefined;
    if (request !== undefined) {
      if (this.#missingApis.has(request.api)) throw missingApi(request.api);
      body = this.#prepared(request, call).bytes();
      headers.set('content-type', request.contentType);
    }
    const { origin, basePath } = this.#addresses.of(call.worker);
    headers.path = basePath + this.#workerPath(headers.path);
    headers.authority = '';
    return { origin, body };
  }

  #countTokens(
    call: BackendCall,
    request: InferenceRequest,
    body: Buffer | undefined,
    sink: BackendSink,
  ): UpstreamExchange {
    const { worker } = call;
    const { origin, basePath } = this.#addresses.of(worker);
    const count = new TokenCount(
      sink,
      (handler) => {
        const question = tokenizeBody(request.conversation(), request.model, this.#dialect.tokenize as TokenizeInput);
        const headers = call.headers.clone();
        headers.path = `${basePath}/tokenize`;
        headers.set('content-type', 'application/json');
        return this.#sendTo(origin, call, headers, Buffer.from(JSON.stringify(question), 'utf8'), handler);
      },
      () => this.#withoutCount.add(worker),
    );
    if (this.#withoutCount.has(worker)) return count.tokenize();
    return count.ask((handler) => this.#sendTo(origin, call, call.headers.clone(), body, handler));
  }

  #sendTo(
    origin: string,
    call: BackendCall,
    headers: BackendCall['headers'],
    body: Buffer | undefined,
    handler: UpstreamHandler,
  ): UpstreamExchange {
    const { timeouts, worker } = call;
    return this.#client.send({ url: origin, headers, body, timeouts, tls: worker.tls }, handler);
  }

  /** As this worker gets it. A changed one is this attempt's own: the next may go to a worker of another kind. */
  #prepared(request: InferenceRequest, call: BackendCall): InferenceRequest {
    const { dpRank, worker } = call;
    const ranked = dpRank !== undefined && request.format === 'json';
    const prepared = this.#dialect.prepare !== undefined && this.#dialect.prepares?.(worker) !== false;
    if (!ranked && !prepared) return request;
    const own = request.fork();
    if (prepared) this.#dialect.prepare?.(own, call);
    // The field is SGLang's.
    if (ranked) own.setField('data_parallel_rank', String(dpRank));
    return own;
  }

  #workerPath(path: string): string {
    const { versionPath } = this.#dialect;
    return versionPath !== undefined && path.startsWith('/v1/') ? versionPath + path.slice('/v1'.length) : path;
  }
}
