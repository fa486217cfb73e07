import { type ClientApi, GatewayError, type RequestHeaders } from '../../core/api/index.js';

/**
 * Whether a body of this kind can be read, from the head alone: `unsupported_media_type` for a content type that is not
 * the api's, or for a compressed body. A missing content type is taken for JSON; every SDK sends one.
 */
export function checkRequestHead(headers: RequestHeaders, api: ClientApi): GatewayError | undefined {
  const encoding = headers.get('content-encoding');
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    return unsupported(`Compressed request bodies are not supported: Content-Encoding is '${shown(encoding)}'`);
  }
  const type = headers.get('content-type');
  if (api.requestFormat === 'json') {
    if (type === undefined || type === 'application/json' || isJson(mediaType(type))) return undefined;
    return unsupported(`The Content-Type header must be application/json, not '${shown(type)}'`);
  }
  if (type !== undefined && mediaType(type) === 'multipart/form-data') return undefined;
  const found = type === undefined ? 'there is none' : `not '${shown(type)}'`;
  return unsupported(`The Content-Type header must be multipart/form-data with a boundary, ${found}`);
}

function mediaType(type: string): string {
  return (type.split(';', 1)[0] as string).trim().toLowerCase();
}

function isJson(type: string): boolean {
  return type === 'application/json' || (type.startsWith('application/') && type.endsWith('+json'));
}

/** A client's own header value, short enough for a message to it. */
function shown(value: string): string {
  return value.length > 80 ? `${value.slice(0, 80)}…` : value;
}

function unsupported(message: string): GatewayError {
  return new GatewayError('unsupported_media_type', message);
}
