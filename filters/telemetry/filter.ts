import {
  type AccessLog,
  type Clock,
  FilterHeadersStatus,
  type StatsScope,
  type StreamFilter,
  type StreamFilterCallbacks,
  type StreamInfo,
} from '../../core/api/index.js';
import type { TelemetrySettings } from './config.js';
import { EdgeMetrics, type EndpointSeries } from './edge-metrics.js';
import { InferenceMetrics } from './inference-metrics.js';
import { InflightAges, type InflightEntry } from './inflight-ages.js';
import { ModelLabels } from './model-labels.js';
import { WorkerMetrics } from './worker-metrics.js';

/** What the streams of one generation share: bound metrics and the access log. */
export class TelemetryConfig {
  readonly clock: Clock;
  readonly edge: EdgeMetrics;
  readonly inference: InferenceMetrics;
  readonly workers: WorkerMetrics;
  readonly ages: InflightAges;
  readonly #accessLog: AccessLog | undefined;
  readonly #quiet: ReadonlySet<string>;

  constructor(settings: TelemetrySettings, clock: Clock, stats: StatsScope, accessLog: AccessLog) {
    this.clock = clock;
    const buckets = settings.duration_buckets;
    this.edge = new EdgeMetrics(stats, buckets);
    this.inference = new InferenceMetrics(stats, new ModelLabels(settings.max_models), buckets);
    this.workers = new WorkerMetrics(stats, buckets);
    this.ages = new InflightAges(stats, clock);
    this.#accessLog = settings.access_log ? accessLog : undefined;
    this.#quiet = new Set(settings.quiet_endpoints);
  }

  log(streamInfo: StreamInfo): void {
    if (this.#accessLog === undefined) return;
    if (streamInfo.status < 400 && this.#quiet.has(streamInfo.endpoint)) return;
    this.#accessLog.write(streamInfo);
  }
}

/**
 * Counts a stream in when its head arrives and records everything else once, when it is over, from the facts that the
 * core and the filters below left in StreamInfo. It sees no body byte.
 */
export class TelemetryFilter implements StreamFilter, InflightEntry {
  readonly #shared: TelemetryConfig;
  readonly #streamInfo: StreamInfo;
  readonly startedMs: number;
  previous: InflightEntry | undefined = undefined;
  next: InflightEntry | undefined = undefined;
  /** Set while the stream is counted in. */
  #series: EndpointSeries | undefined = undefined;

  constructor(shared: TelemetryConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#streamInfo = callbacks.streamInfo;
    this.startedMs = callbacks.streamInfo.startedMs;
  }

  decodeHeaders(): FilterHeadersStatus {
    this.#series = this.#shared.edge.onRequest(this.#streamInfo);
    this.#shared.ages.add(this);
    return FilterHeadersStatus.Continue;
  }

  onStreamComplete(): void {
    const series = this.#series;
    if (series === undefined) return;
    this.#series = undefined;
    const { clock, edge, inference, workers, ages } = this.#shared;
    const streamInfo = this.#streamInfo;
    ages.remove(this);
    // 0: the chain let go of the stream without an answer.
    if (streamInfo.endedMs === 0) streamInfo.endedMs = clock.monotonicMs();
    const { endedMs } = streamInfo;
    edge.onEnd(series, streamInfo, endedMs);
    if (streamInfo.inference !== undefined) {
      const model = inference.onEnd(streamInfo, endedMs);
      if (streamInfo.attempts.length > 0) workers.onEnd(streamInfo.attempts, model, endedMs);
    }
    this.#shared.log(streamInfo);
  }
}
