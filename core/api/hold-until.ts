import { GatewayError } from './errors.js';
import { FilterHeadersStatus, type StreamFilterCallbacks } from './filter.js';

/**
 * The one bridge from async work to the synchronous chain, for `decodeHeaders`: returns the status that holds
 * everything, calls `onValue` and continues when the promise resolves, replies with `GatewayError.from(reason)` when it
 * rejects, and does nothing once the run has ended. `onValue` may itself send a local reply; then nothing continues.
 */
export function holdUntil<T>(
  callbacks: StreamFilterCallbacks,
  promise: Promise<T>,
  onValue: (value: T) => void,
): FilterHeadersStatus {
  promise.then(
    (value) => {
      if (callbacks.scope.ended) return;
      onValue(value);
      if (!callbacks.scope.ended) callbacks.continueDecoding();
    },
    (reason: unknown) => {
      if (!callbacks.scope.ended) callbacks.sendLocalReply(GatewayError.from(reason));
    },
  );
  return FilterHeadersStatus.StopAllIterationAndWatermark;
}
