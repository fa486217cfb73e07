import type { Counter, Family, Gauge, Histogram, StatsScope, StreamInfo } from '../../core/api/index.js';
import { BoundCounters, childMap } from './bound-counters.js';

/** Methods that keep their name; others would let clients invent labels. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS']);
/** Status that the access log and metrics show for a client that left (nginx's number). */
const CLIENT_CLOSED_STATUS = 499;

/** Metrics of the client side, one row of bound series per endpoint and method. */
export class EdgeMetrics {
  readonly active: Gauge;
  readonly #requests: Family<Counter>;
  readonly #responses: Family<Counter>;
  readonly #duration: Family<Histogram>;
  readonly #firstByte: Family<Histogram>;
  readonly #requestBytes: Family<Counter>;
  readonly #responseBytes: Family<Counter>;
  readonly #aborts: Family<Counter>;
  readonly #byEndpoint = new Map<string, Map<string, EndpointSeries>>();

  constructor(stats: StatsScope, durationBuckets: readonly number[]) {
    this.active = stats
      .gauge({ name: 'smg_http_connections_active', help: 'Requests in flight, to the last byte of their answer' })
      .with();
    this.#requests = stats.counter({
      name: 'smg_http_requests_total',
      help: 'Requests received',
      labels: ['method', 'path'],
    });
    this.#responses = stats.counter({
      name: 'smg_http_responses_total',
      help: 'Requests ended, by status and, unless they completed, by what ended them; 499: the client left',
      labels: ['path', 'status_code', 'error_code'],
    });
    this.#duration = stats.histogram({
      name: 'smg_http_request_duration_seconds',
      help: 'From the request head to the last byte of the answer',
      labels: ['method', 'path'],
      buckets: durationBuckets,
    });
    this.#firstByte = stats.histogram({
      name: 'smg_http_time_to_first_byte_seconds',
      help: 'From the request head to the head of the answer',
      labels: ['method', 'path'],
      buckets: durationBuckets,
    });
    this.#requestBytes = stats.counter({
      name: 'smg_http_request_bytes_total',
      help: 'Bytes of request bodies received',
      labels: ['path'],
    });
    this.#responseBytes = stats.counter({
      name: 'smg_http_response_bytes_total',
      help: 'Bytes of response bodies sent',
      labels: ['path'],
    });
    this.#aborts = stats.counter({
      name: 'smg_http_stream_aborts_total',
      help: 'Answers that did not complete, by who ended them and whether the head was out',
      labels: ['by', 'phase'],
    });
  }

  /** Counts a request in. The result takes its end. */
  onRequest(streamInfo: StreamInfo): EndpointSeries {
    const methods = childMap(this.#byEndpoint, streamInfo.endpoint);
    const method = METHODS.has(streamInfo.method) ? streamInfo.method : 'OTHER';
    let series = methods.get(method);
    if (series === undefined) {
      series = this.#bind(method, streamInfo.endpoint === 'unknown' ? 'other' : streamInfo.endpoint);
      methods.set(method, series);
    }
    series.requests.inc();
    this.active.inc();
    return series;
  }

  /** Counts it out. */
  onEnd(series: EndpointSeries, streamInfo: StreamInfo, endedMs: number): void {
    this.active.dec();
    series.duration.observe((endedMs - streamInfo.startedMs) / 1000);
    if (streamInfo.firstByteMs !== 0) {
      series.firstByte.observe((streamInfo.firstByteMs - streamInfo.startedMs) / 1000);
    }
    series.requestBytes.inc(streamInfo.requestBytes);
    series.responseBytes.inc(streamInfo.responseBytes);
    const { responseDetails: details, complete } = streamInfo;
    const status = details === 'client_closed' ? CLIENT_CLOSED_STATUS : streamInfo.status;
    this.#responsesOf(series, status)
      .get(complete && (details === 'complete' || status < 400) ? '' : details)
      .inc();
    if (!complete) {
      this.#aborts.with(endedBy(streamInfo), streamInfo.firstByteMs === 0 ? 'before_first_byte' : 'mid_stream').inc();
    }
  }

  #responsesOf(series: EndpointSeries, status: number): BoundCounters {
    let responses = series.responses.get(status);
    if (responses === undefined) {
      responses = new BoundCounters((code) => this.#responses.with(series.path, String(status), code));
      series.responses.set(status, responses);
    }
    return responses;
  }

  #bind(method: string, path: string): EndpointSeries {
    return {
      path,
      requests: this.#requests.with(method, path),
      duration: this.#duration.with(method, path),
      firstByte: this.#firstByte.with(method, path),
      requestBytes: this.#requestBytes.with(path),
      responseBytes: this.#responseBytes.with(path),
      responses: new Map(),
    };
  }
}

/** Bound series of one endpoint and method. */
export interface EndpointSeries {
  readonly path: string;
  readonly requests: Counter;
  readonly duration: Histogram;
  readonly firstByte: Histogram;
  readonly requestBytes: Counter;
  readonly responseBytes: Counter;
  /** By status, in it by error code. Codes come from the gateway's own code, never from a worker's headers. */
  readonly responses: Map<number, BoundCounters>;
}

function endedBy(streamInfo: StreamInfo): 'client' | 'upstream' | 'gateway' {
  switch (streamInfo.responseDetails) {
    case 'client_closed':
    case 'protocol_error':
    case 'body_stalled':
    case 'write_stalled':
      return 'client';
    case 'shutdown':
      return 'gateway';
    default:
      return streamInfo.attempts.length > 0 ? 'upstream' : 'gateway';
  }
}
