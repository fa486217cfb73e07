import { isUtf8 } from 'node:buffer';
import type { Conversation } from '../api/conversation.js';
import { BugError, GatewayError } from '../api/errors.js';
import type { InferenceRequest, JsonObject } from '../api/inference.js';
import type { ReceivedRequest } from './inference-request.js';
import type { JsonSpan } from './json-scan.js';
import { ReceivedBytes } from './received-bytes.js';

/** The head of one part, bytes. */
const MAX_PART_HEAD_BYTES = 8 * 1024;
const MAX_PARTS = 1000;
/** A text field that the gateway reads (`model`, `stream`), bytes. */
const MAX_FIELD_BYTES = 4 * 1024;

const CRLF = '\r\n';
const PARAMETER = /;\s*([^=;\s]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))/gy;
const TRUE = new Set(['true', 'True', 'TRUE', '1']);
const FALSE = new Set(['false', 'False', 'FALSE', '0']);

/** Where the contents of the fields lie that the gateway reads; of a repeated one the last. */
interface FormFields {
  model: JsonSpan | undefined;
  stream: JsonSpan | undefined;
}

/** A `multipart/form-data` request (audio). The form is passed on as it came, but for the `model` part's content. */
export class MultipartInferenceRequest implements ReceivedRequest {
  readonly api: string;
  readonly format = 'multipart';
  readonly contentType: string;
  readonly requestedModel: string | undefined;
  readonly stream: boolean;
  readonly #received: ReceivedBytes;
  readonly #modelSpan: JsonSpan | undefined;
  #model: string | undefined;
  /** With another model, once it was set. */
  #changed: Buffer | undefined;

  private constructor(
    origin: Pick<InferenceRequest, 'api' | 'contentType' | 'requestedModel' | 'stream' | 'model'>,
    received: ReceivedBytes,
    modelSpan: JsonSpan | undefined,
    changed: Buffer | undefined,
  ) {
    this.api = origin.api;
    this.contentType = origin.contentType;
    this.requestedModel = origin.requestedModel;
    this.stream = origin.stream;
    this.#received = received;
    this.#modelSpan = modelSpan;
    this.#model = origin.model;
    this.#changed = changed;
  }

  /** Reads a form: the request, or the `invalid_request` or `invalid_value` to answer. Keeps `bytes`. */
  static read(api: string, contentType: string, bytes: Buffer): MultipartInferenceRequest | GatewayError {
    const boundary = multipartBoundary(contentType);
    if (boundary === undefined) return malformed('the content type names no boundary');
    const fields = findFields(bytes, boundary);
    if (fields instanceof GatewayError) return fields;
    for (const name of ['model', 'stream'] as const) {
      const span = fields[name];
      if (span === undefined) continue;
      if (span.end - span.start > MAX_FIELD_BYTES || !isUtf8(bytes.subarray(span.start, span.end))) {
        return new GatewayError('invalid_value', `Invalid value for '${name}': expected short UTF-8 text`, {
          param: name,
        });
      }
    }
    const model = fieldText(bytes, fields.model);
    const streamText = fieldText(bytes, fields.stream) ?? '0';
    if (!TRUE.has(streamText) && !FALSE.has(streamText)) {
      return new GatewayError('invalid_value', `Invalid value for 'stream': expected 'true' or 'false'`, {
        param: 'stream',
      });
    }
    const origin = { api, contentType, requestedModel: model, model, stream: TRUE.has(streamText) };
    return new MultipartInferenceRequest(origin, new ReceivedBytes(bytes), fields.model, undefined);
  }

  get model(): string | undefined {
    return this.#model;
  }

  bytes(): Buffer {
    return this.#changed ?? this.#received.bytes;
  }

  json(): JsonObject {
    throw new BugError('A multipart request has no JSON view');
  }

  rawField(name: string): string | undefined {
    if (name === 'model') return this.#model === undefined ? undefined : JSON.stringify(this.#model);
    return name === 'stream' ? String(this.stream) : undefined;
  }

  setField(name: string, rawJson: string): void {
    if (name !== 'model') throw new BugError(`The field '${name}' of a multipart request cannot be set`);
    this.setModel(JSON.parse(rawJson) as string);
  }

  deleteField(name: string): void {
    throw new BugError(`The field '${name}' of a multipart request cannot be removed`);
  }

  conversation(): Conversation {
    throw new GatewayError('endpoint_not_supported', `The workers of this model do not support the ${this.api} API`, {
      details: 'api_no_conversation',
    });
  }

  setModel(model: string): void {
    if (model === this.#model) return;
    const span = this.#modelSpan;
    if (span === undefined) throw new BugError('A form without a model part cannot be given a model');
    const received = this.#received.bytes;
    this.#changed = Buffer.concat([
      received.subarray(0, span.start),
      Buffer.from(model, 'utf8'),
      received.subarray(span.end),
    ]);
    this.#model = model;
  }

  fork(): MultipartInferenceRequest {
    return new MultipartInferenceRequest(this, this.#received, this.#modelSpan, this.#changed);
  }

  detach(): MultipartInferenceRequest {
    const received = new ReceivedBytes(Buffer.from(this.#received.bytes));
    return new MultipartInferenceRequest(this, received, this.#modelSpan, this.#changed);
  }

  forgetReceived(): void {
    this.#received.forget();
  }
}

/** The `boundary` parameter of a media type; undefined when it is absent or longer than RFC 2046 allows. */
export function multipartBoundary(contentType: string): string | undefined {
  const start = contentType.indexOf(';');
  const value = start === -1 ? undefined : parameter(contentType, start, 'boundary');
  return value === undefined || value === '' || value.length > 70 ? undefined : value;
}

function findFields(bytes: Buffer, boundary: string): FormFields | GatewayError {
  const fields: FormFields = { model: undefined, stream: undefined };
  const separator = Buffer.from(`${CRLF}--${boundary}`, 'latin1');
  const opening = separator.subarray(2);
  let at = startsWith(bytes, 0, opening) ? opening.length : afterPreamble(bytes, separator);
  for (let parts = 0; parts <= MAX_PARTS; parts++) {
    if (at < 0) return malformed('it does not begin with its boundary');
    if (startsWith(bytes, at, DASHES)) return fields;
    while (bytes[at] === 0x20 || bytes[at] === 0x09) at++;
    if (!startsWith(bytes, at, LINE_END)) return malformed(`it is broken at byte ${at}`);
    // From here on the line end, so that a part without headers has its blank line too.
    const headEnd = bytes.indexOf(HEAD_END, at);
    if (headEnd === -1 || headEnd - at > MAX_PART_HEAD_BYTES)
      return malformed(`the part at byte ${at} has no end to its head`);
    const start = headEnd + HEAD_END.length;
    const end = bytes.indexOf(separator, headEnd + LINE_END.length);
    if (end === -1) return malformed('it ends without its closing boundary');
    const name = partName(bytes.latin1Slice(at, headEnd));
    if (name === 'model' || name === 'stream') fields[name] = { start, end: Math.max(start, end) };
    at = end + separator.length;
  }
  return malformed(`it has more than ${MAX_PARTS} parts`);
}

const DASHES = Buffer.from('--');
const LINE_END = Buffer.from(CRLF);
const HEAD_END = Buffer.from(CRLF + CRLF);

function afterPreamble(bytes: Buffer, separator: Buffer): number {
  const found = bytes.indexOf(separator);
  return found === -1 ? -1 : found + separator.length;
}

function startsWith(bytes: Buffer, at: number, prefix: Buffer): boolean {
  return bytes.length >= at + prefix.length && bytes.compare(prefix, 0, prefix.length, at, at + prefix.length) === 0;
}

function partName(head: string): string | undefined {
  for (const line of head.split(CRLF)) {
    const colon = line.indexOf(':');
    if (colon === -1 || line.slice(0, colon).trim().toLowerCase() !== 'content-disposition') continue;
    const start = line.indexOf(';', colon);
    return start === -1 ? undefined : parameter(line, start, 'name');
  }
  return undefined;
}

/** Reads `; name=value; …` from `start` on; quoted values are units, so nothing inside one is taken for a parameter. */
function parameter(text: string, start: number, wanted: string): string | undefined {
  PARAMETER.lastIndex = start;
  for (let match = PARAMETER.exec(text); match !== null; match = PARAMETER.exec(text)) {
    if ((match[1] as string).toLowerCase() === wanted) return match[2]?.replace(/\\(.)/g, '$1') ?? match[3];
  }
  return undefined;
}

function fieldText(bytes: Buffer, span: JsonSpan | undefined): string | undefined {
  return span === undefined ? undefined : bytes.toString('utf8', span.start, span.end).trim();
}

function malformed(reason: string): GatewayError {
  return new GatewayError('invalid_request', `The request body is not a valid multipart form: ${reason}`, {
    details: 'request_body_invalid_multipart',
  });
}
