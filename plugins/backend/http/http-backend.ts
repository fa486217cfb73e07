import {
  type Backend,
  type BackendCall,
  type BackendSink,
  GatewayError,
  type InferenceRequest,
  type UpstreamClient,
  type UpstreamExchange,
} from '../../../core/api/index.js';
import { WorkerAddresses } from '../translate/worker-addresses.js';

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
  /** What stands in the worker's paths for the `/v1` of the client's. Default the same. */
  readonly versionPath?: string;
}

/**
 * Backend of workers that speak the client's dialect over HTTP: the body goes out byte for byte, the answer comes back
 * the same way. An api that is neither native nor missing is forwarded too; the worker knows best.
 */
export class HttpBackend implements Backend {
  readonly type: string;
  readonly nativeApis: readonly string[];
  readonly #dialect: HttpDialect;
  readonly #missingApis: ReadonlySet<string>;
  readonly #client: UpstreamClient;
  readonly #addresses = new WorkerAddresses();

  constructor(dialect: HttpDialect, client: UpstreamClient) {
    this.type = dialect.type;
    this.nativeApis = dialect.nativeApis;
    this.#dialect = dialect;
    this.#missingApis = new Set(dialect.missingApis);
    this.#client = client;
  }

  send(call: BackendCall, sink: BackendSink): UpstreamExchange {
    const { headers, request } = call;
    let body: Buffer | undefined;
    if (request !== undefined) {
      if (this.#missingApis.has(request.api)) throw createMissingApiError();
      body = this.#prepared(request, call).bytes();
      headers.set('content-type', request.contentType);
    }
    const { origin, basePath } = this.#addresses.of(call.worker);
    headers.path = basePath + this.#workerPath(headers.path);
    headers.authority = '';
    const { tls } = call.worker;
    return this.#client.send({ url: origin, headers, body, timeouts: call.timeouts, tls }, sink);
  }

  /** As this worker gets it. A changed one is this attempt's own: the next may go to a worker of another kind. */
  #prepared(request: InferenceRequest, call: BackendCall): InferenceRequest {
    const { dpRank } = call;
    const ranked = dpRank !== undefined && request.format === 'json';
    if (!ranked && this.#dialect.prepare === undefined) return request;
    const own = request.fork();
    this.#dialect.prepare?.(own, call);
    // The field is SGLang's.
    if (ranked) own.setField('data_parallel_rank', String(dpRank));
    return own;
  }

  #workerPath(path: string): string {
    const { versionPath } = this.#dialect;
    return versionPath !== undefined && path.startsWith('/v1/') ? versionPath + path.slice('/v1'.length) : path;
  }
}

function createMissingApiError(): GatewayError {
  return new GatewayError('endpoint_not_supported', 'The engine that serves this model does not have this endpoint', {
    details: 'api_missing_in_engine',
  });
}
