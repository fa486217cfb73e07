import {
  type Counter,
  FilterHeadersStatus,
  type RequestHeaders,
  ResponseHeaders,
  type StreamFilter,
  type StreamFilterCallbacks,
} from '../../core/api/index.js';
import type { CorsRules } from './cors-rules.js';

/** What the streams of one generation share. */
export class CorsConfig {
  readonly rules: CorsRules;
  readonly preflightsAllowed: Counter;
  readonly preflightsRefused: Counter;

  constructor(rules: CorsRules, preflightsAllowed: Counter, preflightsRefused: Counter) {
    this.rules = rules;
    this.preflightsAllowed = preflightsAllowed;
    this.preflightsRefused = preflightsRefused;
  }
}

/** Answers preflights itself and writes the CORS rules onto every other answer, error answers included. */
export class CorsFilter implements StreamFilter {
  readonly #shared: CorsConfig;
  readonly #callbacks: StreamFilterCallbacks;
  #origin: string | undefined = undefined;

  constructor(shared: CorsConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    this.#origin = headers.get('origin');
    if (this.#origin === undefined || headers.method !== 'OPTIONS' || !headers.has('access-control-request-method')) {
      return FilterHeadersStatus.Continue;
    }
    const { rules, preflightsAllowed, preflightsRefused } = this.#shared;
    if (rules.allows(this.#origin)) preflightsAllowed.inc();
    else preflightsRefused.inc();
    const response = new ResponseHeaders(204);
    rules.answerPreflight(response, this.#origin, headers.get('access-control-request-headers'));
    this.#callbacks.encodeHeaders(response, true);
    return FilterHeadersStatus.StopAllIterationAndWatermark;
  }

  encodeHeaders(headers: ResponseHeaders): FilterHeadersStatus {
    this.#shared.rules.applyTo(headers, this.#origin);
    return FilterHeadersStatus.Continue;
  }
}
