import {
  AttemptAnswer,
  type AttemptOwner,
  type DetachedStart,
  FilterHeadersStatus,
  FilterTrailersStatus,
  type GatewayError,
  type InferenceRequest,
  type InnerRequest,
  isCredential,
  nameModelFor,
  RequestHeaders,
  type StreamFilter,
  type StreamFilterCallbacks,
  StreamInfo,
} from '../../core/api/index.js';
import type { MirrorFilterConfig } from './config.js';
import { Mirrored } from './mirrored.js';

/**
 * Copies a share of the requests to another cluster and throws the answers away. The request itself goes its way first, and
 * knows nothing of its copy: that is a stream of its own, which waits for nobody and which nobody waits for.
 */
export class MirrorFilter implements StreamFilter, AttemptOwner {
  readonly #shared: MirrorFilterConfig;
  readonly #callbacks: StreamFilterCallbacks;
  #headers: RequestHeaders | undefined = undefined;

  constructor(shared: MirrorFilterConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    this.#headers = headers;
    if (endStream) this.#open({ headers, inference: undefined });
    return FilterHeadersStatus.StopIteration;
  }

  decodeRequest(request: InferenceRequest): FilterTrailersStatus {
    const headers = this.#headers as RequestHeaders;
    const { streamInfo } = this.#callbacks;
    const copied = !streamInfo.mirrored && this.#shared.takes(request.bytes().length);
    // Made first: the request may change on its way.
    const copy = copied ? { headers: withoutCaller(headers), inference: request.detach() } : undefined;
    this.#open({ headers, inference: request });
    if (copy !== undefined) this.#mirror(copy, copy.inference);
    return FilterTrailersStatus.StopIteration;
  }

  // ── the request ───────────────────────────────────────────────────────────────────────────────────────────────

  #open(request: InnerRequest): void {
    const answer = new AttemptAnswer(this, this.#callbacks);
    answer.onOpened(this.#callbacks.openInner(request, answer));
  }

  onAttemptHead(answer: AttemptAnswer): void {
    answer.pass();
  }

  onAttemptError(_answer: AttemptAnswer, error: GatewayError): void {
    this.#callbacks.sendLocalReply(error);
  }

  // ── its copy ──────────────────────────────────────────────────────────────────────────────────────────────────

  #mirror(copy: InnerRequest, inference: InferenceRequest): void {
    const { clock, cluster, model, timeoutMs } = this.#shared;
    const streamInfo = this.#factsOfCopy(inference, clock.monotonicMs());
    streamInfo.deadlineMs = streamInfo.startedMs + timeoutMs;
    if (model !== undefined) inference.setModel(model);
    nameModelFor(cluster, inference);
    const start: DetachedStart = { streamInfo, cluster, timeouts: cluster.timeouts };
    const mirrored = new Mirrored(this.#shared);
    mirrored.onOpened(this.#callbacks.openDetached(copy, start, mirrored));
  }

  #factsOfCopy(inference: InferenceRequest, startedMs: number): StreamInfo {
    const { streamInfo: own } = this.#callbacks;
    const info = new StreamInfo(own.protocol, own.remoteAddress, own.listener, own.method, own.path, startedMs);
    info.mirrored = true;
    info.requestId = own.requestId;
    info.endpoint = own.endpoint;
    info.accessClass = own.accessClass;
    info.api = own.api;
    info.errorDialect = own.errorDialect;
    info.principal = own.principal;
    info.route = own.route;
    info.inference = inference;
    return info;
  }
}

/** Nothing of the caller's that opens doors goes with a copy: a worker gets its own key, or none. */
function withoutCaller({ method, path, authority, scheme, flat }: RequestHeaders): RequestHeaders {
  const kept: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (!isCredential(name) && name !== 'cookie') kept.push(name, flat[i + 1] as string);
  }
  return new RequestHeaders(method, path, authority, scheme, kept);
}
