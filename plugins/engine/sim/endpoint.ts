import type { SimExchange } from './exchange.js';
import type { ErrorDialect } from './rejection.js';
import type { SimEngine } from './sim-engine.js';

/** One path and method of an engine. */
export interface Endpoint {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Wants the key, is counted, and meets faults. */
  readonly inference: boolean;
  /** Shape of its error bodies. */
  readonly errors: ErrorDialect;
  /** Answers, now or when tokens come. May throw RequestRejected before it has answered. */
  readonly handle: (engine: SimEngine, exchange: SimExchange) => void;
}

/** A POST path that does a model's work. */
export function inferenceEndpoint(path: string, handle: Endpoint['handle'], errors: ErrorDialect = 'openai'): Endpoint {
  return { method: 'POST', path, inference: true, errors, handle };
}

/** A path that only tells or sets something: no key, no faults, not counted. */
export function infoEndpoint(method: 'GET' | 'POST', path: string, handle: Endpoint['handle']): Endpoint {
  return { method, path, inference: false, errors: 'openai', handle };
}
