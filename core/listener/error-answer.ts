import { CONNECTION_CLOSE_LINE, encodeHead, formatResponseHead } from '../http1/head-writer.js';

/**
 * Whole answer to a request that broke the protocol or took too long, for which no handler exists: head and JSON body
 * in the OpenAI error shape. The connection closes after it.
 */
export function encodeErrorAnswer(status: number, code: string, message: string, dateLine: string): Buffer {
  const body = encodeErrorBody(code, message);
  const head = formatResponseHead(
    status,
    ['content-type', 'application/json'],
    body.length,
    CONNECTION_CLOSE_LINE,
    dateLine,
  );
  return encodeHead(head, body);
}

/** The body alone. */
export function encodeErrorBody(code: string, message: string): Buffer {
  const error = { message, type: 'invalid_request_error', param: null, code };
  return Buffer.from(JSON.stringify({ error }));
}
