import { type ClientApi, type Delta, type DeltaRenderer, GatewayError, type TokenUsage } from '../../core/api/index.js';
import { UsageAccumulator } from '../../core/inference/usage-accumulator.js';

/** The answer's bytes so far: what to send for one delta, and whether the whole was seen to complete. */
export class DeltaResponse {
  readonly renderer: DeltaRenderer;
  readonly #usage = new UsageAccumulator();
  /** Choices that have begun and not finished. */
  readonly #open = new Set<number>();
  #finished = 0;

  constructor(renderer: DeltaRenderer) {
    this.renderer = renderer;
  }

  get usage(): TokenUsage | undefined {
    return this.#usage.usage;
  }

  /** Whether each choice came to its end. */
  get complete(): boolean {
    return this.#finished > 0 && this.#open.size === 0;
  }

  add(delta: Delta): Buffer | undefined {
    if (delta.kind === 'usage') this.#usage.add(delta.usage);
    else if (delta.kind === 'finish') {
      this.#open.delete(delta.choice);
      this.#finished++;
    } else if (delta.kind !== 'start' && delta.kind !== 'keep_alive') this.#open.add(delta.choice);
    return this.renderer.delta(delta);
  }
}

/** What to answer when a worker's stream ended before its end was seen. */
export function truncated(): GatewayError {
  return new GatewayError('upstream_reset', 'The worker closed the stream before it was complete', {
    details: 'stream_truncated',
  });
}

/** A worker answered in deltas to a dialect that the gateway cannot write. */
export function notRenderable(api: ClientApi): GatewayError {
  return new GatewayError('endpoint_not_supported', `The workers of this model do not support the ${api.type} API`, {
    details: 'api_not_rendered',
  });
}
