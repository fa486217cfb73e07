import { type ClientApi, type Delta, type DeltaRenderer, GatewayError } from '../../core/api/index.js';

/** The answer's bytes so far: what to send for one delta, and whether the whole was seen to complete. */
export class DeltaResponse {
  readonly renderer: DeltaRenderer;
  /** Choices that have begun and not finished. */
  readonly #open = new Set<number>();
  #finished = 0;

  constructor(renderer: DeltaRenderer) {
    this.renderer = renderer;
  }

  /** Whether each choice came to its end. */
  get complete(): boolean {
    return this.#finished > 0 && this.#open.size === 0;
  }

  add(delta: Delta): Buffer | undefined {
    if (delta.kind === 'finish') {
      this.#open.delete(delta.choice);
      this.#finished++;
    } else if (delta.kind !== 'usage' && delta.kind !== 'start' && delta.kind !== 'keep_alive') {
      this.#open.add(delta.choice);
    }
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
