import {
  type BackendCall,
  type BackendSink,
  type ClientApi,
  type Delta,
  type DeltaRenderer,
  GatewayError,
  type InferenceRequest,
  type JsonObject,
  RequestHeaders,
  ResponseHeaders,
  type Worker,
} from '../../core/api/index.js';
import { TranslatedExchange } from '../../plugins/backend/translate/translated-exchange.js';
import type { WorkerDialect } from '../../plugins/backend/translate/worker-dialect.js';
import { jsonRequest } from '../../core/testing/index.js';

export interface GoldenCase {
  readonly about: string;
  readonly settings?: unknown;
  readonly model?: string;
  readonly request: JsonObject;
  readonly headers?: Readonly<Record<string, string>>;
  readonly worker_request?: JsonObject;
  readonly worker_path?: string;
  readonly worker_headers?: Readonly<Record<string, string>>;
  readonly dropped?: readonly string[];
  readonly refused?: { readonly code: string; readonly param?: string; readonly message?: string };
  readonly worker_answer?: JsonObject;
  readonly client_answer?: JsonObject;
  readonly worker_stream?: readonly unknown[];
  readonly client_stream?: readonly unknown[];
  readonly stream_error?: string;
  readonly worker_error?: {
    readonly status: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body: unknown;
  };
  readonly client_error?: Readonly<Record<string, unknown>>;
}

/** What the client got: the bytes of its answer, or the error instead of it or at its end. */
export interface GoldenAnswer {
  readonly text: string;
  readonly error: GatewayError | undefined;
}

/** The request of a case as its client api reads it. Throws the GatewayError that the client would get. */
export function readCase(golden: GoldenCase, api: ClientApi): InferenceRequest {
  const request = jsonRequest(golden.request, api);
  if (golden.model !== undefined) request.setModel(golden.model);
  return request;
}

/** The call that a dialect sees: nothing in it but the request and its head. */
export function callOf(golden: GoldenCase, api: ClientApi, request: InferenceRequest): BackendCall {
  const flat = Object.entries(golden.headers ?? {}).flat();
  return {
    worker: { id: 'w', url: 'https://worker.test', cards: [], models: [], labels: {} } as unknown as Worker,
    headers: new RequestHeaders('POST', api.paths[0] as string, '', 'https', flat),
    request,
    timeouts: { connectMs: 0, firstByteMs: 0, idleMs: 0, requestMs: 0 },
    scope: { own: () => {}, disown: () => {} } as unknown as BackendCall['scope'],
  };
}

/** Plays a worker's answer, in the pieces given, to the client of a case. */
export function playAnswer(
  call: BackendCall,
  api: ClientApi,
  dialect: WorkerDialect,
  head: ResponseHeaders,
  pieces: readonly Buffer[],
): GoldenAnswer {
  const request = call.request as InferenceRequest;
  const client = new GoldenClient(api, request);
  const exchange = new TranslatedExchange(dialect, dialect.encode(request.conversation(), call), client);
  exchange.onHeaders(head, false);
  for (const piece of pieces) exchange.onData(piece, false);
  exchange.onData(Buffer.alloc(0), true);
  return client;
}

/** Renders deltas as `inference` does. */
class GoldenClient implements BackendSink, GoldenAnswer {
  text = '';
  error: GatewayError | undefined = undefined;
  readonly #renderer: DeltaRenderer;

  constructor(api: ClientApi, request: InferenceRequest) {
    if (api.createRenderer === undefined) throw new Error(`${api.type} cannot be rendered`);
    this.#renderer = api.createRenderer(request, {
      responseId: `${api.requestIdPrefix}1`,
      createdS: 1_700_000_000,
      model: request.requestedModel ?? '',
    });
  }

  onHeaders(): void {}
  onData(): void {
    throw new Error('a translated answer has no bytes');
  }
  onTrailers(): void {}

  onDelta(delta: Delta, endStream: boolean): void {
    this.text += this.#renderer.delta(delta)?.toString('utf8') ?? '';
    if (endStream) this.text += this.#renderer.end().toString('utf8');
  }

  onError(error: GatewayError): void {
    this.error = error;
  }
}
