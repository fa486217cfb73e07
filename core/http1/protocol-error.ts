/**
 * Every way in which a message can break the grammar or a limit. `status` is what a server answers before it closes;
 * a client treats all of them alike: the connection is of no further use.
 */
export const HTTP1_ERRORS = {
  bad_start_line: { status: 400, message: 'Malformed start line' },
  bad_target: { status: 400, message: 'Malformed request target' },
  bad_host: { status: 400, message: 'A request needs exactly one valid Host that agrees with its target' },
  bad_field_line: { status: 400, message: 'Malformed header field line' },
  bad_field_name: { status: 400, message: 'Invalid character in a header field name' },
  bad_field_value: { status: 400, message: 'Invalid character in a header field value' },
  folded_field: { status: 400, message: 'Folded header fields are not accepted' },
  bare_cr: { status: 400, message: 'CR without LF' },
  bare_lf: { status: 400, message: 'LF without CR' },
  bad_content_length: { status: 400, message: 'Invalid Content-Length' },
  repeated_content_length: { status: 400, message: 'More than one Content-Length' },
  length_and_encoding: { status: 400, message: 'Both Content-Length and Transfer-Encoding' },
  bad_transfer_encoding: { status: 400, message: 'Transfer-Encoding is not allowed here' },
  body_not_allowed: { status: 400, message: 'An interim response with a body' },
  bad_chunk: { status: 400, message: 'Malformed chunk' },
  bad_trailer: { status: 400, message: 'Field is not allowed in a trailer section' },
  chunk_extension_too_long: { status: 400, message: 'Chunk extensions are too long' },
  unexpected_end: { status: 400, message: 'The connection ended inside a message' },
  target_too_long: { status: 414, message: 'Request line is too long' },
  expectation_failed: { status: 417, message: 'Unknown expectation' },
  head_too_large: { status: 431, message: 'Header section is too large' },
  too_many_fields: { status: 431, message: 'Too many header fields' },
  unknown_transfer_encoding: { status: 501, message: 'Only the chunked transfer encoding is supported' },
  unknown_method: { status: 501, message: 'Method is not supported' },
  unsupported_version: { status: 505, message: 'Only HTTP/1.0 and HTTP/1.1 are supported here' },
} as const;

export type Http1ErrorCode = keyof typeof HTTP1_ERRORS;

/** Thrown by the codec when the peer broke the protocol. Carries no stack: it says nothing about our code. */
export class Http1ProtocolError extends Error {
  readonly code: Http1ErrorCode;
  /** Status for a server's answer. */
  readonly status: number;

  constructor(code: Http1ErrorCode) {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(HTTP1_ERRORS[code].message);
    Error.stackTraceLimit = limit;
    this.name = 'Http1ProtocolError';
    this.code = code;
    this.status = HTTP1_ERRORS[code].status;
  }
}
