import type { RequestRules } from '../api/client-api.js';
import { GatewayError } from '../api/errors.js';
import type { InferenceRequest } from '../api/inference.js';
import { JsonInferenceRequest } from './json-request.js';
import type { JsonScanner } from './json-scan.js';
import { MultipartInferenceRequest } from './multipart-request.js';

/** A request over the bytes that it was read from. */
export interface ReceivedRequest extends InferenceRequest {
  /** The memory of the received bytes gets another use: reading them, here or in a fork, throws BugError from now on. */
  forgetReceived(): void;
}

/**
 * Reads a whole body for a client api: the request, or the error to answer. Keeps `bytes`, which must not change.
 * Errors: `invalid_json`, `invalid_request` (a broken form), `invalid_type`, `invalid_value`, and
 * `missing_required_parameter` for a body without `model` where the api needs one.
 */
export function readInferenceRequest(
  api: RequestRules,
  contentType: string,
  bytes: Buffer,
  scanner: JsonScanner,
): ReceivedRequest | GatewayError {
  const request =
    api.requestFormat === 'multipart'
      ? MultipartInferenceRequest.read(api.type, contentType, bytes)
      : JsonInferenceRequest.read(api, contentType, bytes, scanner);
  if (request instanceof GatewayError) return request;
  if (api.requiresModel && request.model === undefined) {
    return new GatewayError('missing_required_parameter', "You must provide a 'model' parameter", { param: 'model' });
  }
  return request;
}
