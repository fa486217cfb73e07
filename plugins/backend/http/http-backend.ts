import {
  type Backend,
  type BackendCall,
  type BackendSink,
  GatewayError,
  type InferenceRequest,
  type UpstreamClient,
  type UpstreamExchange,
  type Worker,
} from '../../../core/api/index.js';

/** Client apis that engines with an OpenAI surface take as they are. */
export const OPENAI_APIS: readonly string[] = [
  'chat',
  'completions',
  'embeddings',
  'rerank',
  'classify',
  'score',
  'messages',
  'responses',
  'audio_transcriptions',
];

/** Where a worker is, cut up once. */
interface WorkerAddress {
  /** Scheme, host, port. */
  readonly origin: string;
  /** Without trailing slash; mostly empty. */
  readonly basePath: string;
}

/** What differs between the engines that speak the clients' own HTTP. */
export interface HttpDialect {
  readonly type: string;
  readonly nativeApis: readonly string[];
  /** Client apis that this engine is known not to have: refused here, so that the client learns why. */
  readonly missingApis: readonly string[];
}

/**
 * Backend of workers that speak the client's dialect over HTTP: the body goes out byte for byte, the answer comes back
 * the same way. An api that is neither native nor missing is forwarded too; the worker knows best.
 */
export class HttpBackend implements Backend {
  readonly type: string;
  readonly nativeApis: readonly string[];
  readonly #missingApis: ReadonlySet<string>;
  readonly #client: UpstreamClient;
  /** By worker, forgotten with it. */
  readonly #addresses = new WeakMap<Worker, WorkerAddress>();

  constructor(dialect: HttpDialect, client: UpstreamClient) {
    this.type = dialect.type;
    this.nativeApis = dialect.nativeApis;
    this.#missingApis = new Set(dialect.missingApis);
    this.#client = client;
  }

  send(call: BackendCall, sink: BackendSink): UpstreamExchange {
    const { headers, request } = call;
    const { origin, basePath } = this.#addressOf(call.worker);
    headers.path = joinPath(basePath, headers.path);
    headers.authority = '';
    let body: Buffer | undefined;
    if (request !== undefined) {
      if (this.#missingApis.has(request.api)) throw createMissingApiError();
      body = (call.dpRank === undefined ? request : withRank(request, call.dpRank)).bytes();
      headers.set('content-type', request.contentType);
    }
    const { tls } = call.worker;
    return this.#client.send({ url: origin, headers, body, timeouts: call.timeouts, tls }, sink);
  }

  #addressOf(worker: Worker): WorkerAddress {
    let address = this.#addresses.get(worker);
    if (address === undefined) {
      const url = new URL(worker.url);
      address = { origin: url.origin, basePath: url.pathname.replace(/\/+$/, '') };
      this.#addresses.set(worker, address);
    }
    return address;
  }
}

/** For this attempt only: the next one may go to an engine without ranks. The field is SGLang's. */
function withRank(request: InferenceRequest, dpRank: number): InferenceRequest {
  if (request.format !== 'json') return request;
  const ranked = request.fork();
  ranked.setField('data_parallel_rank', String(dpRank));
  return ranked;
}

/** A base URL that ends in `/v1`, as vendors print it, does not double that part of the path. */
function joinPath(basePath: string, path: string): string {
  if (basePath === '') return path;
  if (basePath.endsWith('/v1') && path.startsWith('/v1/')) return basePath + path.slice('/v1'.length);
  return basePath + path;
}

function createMissingApiError(): GatewayError {
  return new GatewayError('endpoint_not_supported', 'The engine that serves this model does not have this endpoint', {
    details: 'api_missing_in_engine',
  });
}
