import type { RequestRules } from '../api/client-api.js';
import { type ReceivedRequest, readInferenceRequest } from '../inference/inference-request.js';
import { JsonScanner } from '../inference/json-scan.js';

const CHAT: RequestRules = { type: 'chat', requestFormat: 'json', requiresModel: false };

/** A JSON request as `inference` makes it. Default api: a chat whose model need not be named. Throws its GatewayError. */
export function jsonRequest(body: object, api: RequestRules = CHAT): ReceivedRequest {
  const bytes = Buffer.from(JSON.stringify(body), 'utf8');
  const request = readInferenceRequest(api, 'application/json', bytes, new JsonScanner());
  if (request instanceof Error) throw request;
  return request;
}
