import { GatewayError } from '../../../core/api/index.js';

/** What becomes of a parameter that a dialect cannot say and whose loss changes little: left out and named, or refused. */
export type UnsupportedPolicy = 'drop' | 'reject';

/**
 * Top-level fields of OpenAI's body that are left out without a word where a dialect has none for them: they say nothing
 * about the answer.
 */
export const SILENTLY_DROPPED: ReadonlySet<string> = new Set([
  'store',
  'metadata',
  'user',
  'prompt_cache_key',
  'prompt_cache_retention',
  'safety_identifier',
  'stream_options',
  'prediction',
  'verbosity',
  'logit_bias',
  'service_tier',
]);

/** What one request asks for and the dialect cannot say. */
export class UnsupportedParams {
  readonly #policy: UnsupportedPolicy;
  readonly #names = new Set<string>();

  constructor(policy: UnsupportedPolicy) {
    this.#policy = policy;
  }

  /** By the client's names, each once, in the order in which they were met. */
  get dropped(): readonly string[] {
    return [...this.#names];
  }

  /** Leaves it out and names it, or throws the refusal: as the policy says. */
  drop(param: string): void {
    if (this.#policy === 'reject') throw unsupportedParameter(param);
    this.#names.add(param);
  }

  /** Names what was left out or brought into range whatever the policy says. */
  note(name: string): void {
    this.#names.add(name);
  }
}

/** The refusal of a parameter that must not be left out: the answer would mean something else. */
export function unsupportedParameter(param: string, message?: string): GatewayError {
  return new GatewayError('unsupported_parameter', message ?? `The worker of this model does not support '${param}'`, {
    param,
  });
}
