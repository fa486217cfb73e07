import type {
  AttemptOutput,
  Delta,
  GatewayError,
  HeaderMap,
  ResponseHeaders,
  WatermarkCallbacks,
} from '../../core/api/index.js';
import type { JsonScanner } from '../../core/inference/json-scan.js';
import { type SseEventFrame, SseSplitter } from '../../core/inference/sse-codec.js';

/** A larger body is passed on with the worker's name of the model. */
const MAX_JSON_BYTES = 8 * 1024 * 1024;
/** Objects of answers that hold the model's name in place of the outermost one: Anthropic's, and OpenAI's Responses. */
const HOLDERS = ['message', 'response'];
const QUOTE = 0x22;
const NAME = Buffer.from('"model"');

type Body = 'as_it_is' | 'events' | 'json';

/**
 * Passes an answer on under the client's name of the model: in JSON and event streams the value of `model` is replaced
 * where the dialects have it, and no other byte. Answers made of deltas are named when they are rendered.
 */
export class RenamingOutput implements AttemptOutput {
  readonly #output: AttemptOutput;
  readonly #scanner: JsonScanner;
  /** As JSON. */
  readonly #shown: Buffer;
  #body: Body = 'as_it_is';
  readonly #events = new SseSplitter();
  #held: Buffer[] = [];
  #heldBytes = 0;

  /** `scanner` may be shared by all: nothing is kept in it. */
  constructor(output: AttemptOutput, scanner: JsonScanner, shown: string) {
    this.#output = output;
    this.#scanner = scanner;
    this.#shown = Buffer.from(JSON.stringify(shown), 'utf8');
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    const type = headers.get('content-type') ?? '';
    if (headers.kind === 'bytes' && headers.status === 200 && !endStream && !headers.has('content-encoding')) {
      if (type.startsWith('text/event-stream')) this.#body = 'events';
      else if (type.startsWith('application/json')) this.#body = 'json';
    }
    if (this.#body !== 'as_it_is') headers.delete('content-length');
    this.#output.encodeHeaders(headers, endStream);
  }

  encodeData(bytes: Buffer, endStream: boolean, framed?: Buffer): void {
    if (this.#body === 'as_it_is') this.#output.encodeData(bytes, endStream, framed);
    else if (this.#body === 'events') this.#encodeEvents(bytes, endStream);
    else this.#encodeJson(bytes, endStream);
  }

  encodeDelta(delta: Delta, endStream: boolean): void {
    this.#output.encodeDelta(delta, endStream);
  }

  encodeTrailers(trailers: HeaderMap): void {
    const rest = this.#body === 'events' ? this.#lastEvents([]) : this.#takeJson();
    this.#body = 'as_it_is';
    if (rest.length > 0) this.#output.encodeData(rest, false);
    this.#output.encodeTrailers(trailers);
  }

  sendLocalReply(error: GatewayError): void {
    this.#output.sendLocalReply(error);
  }

  addDownstreamWatermarkCallbacks(callbacks: WatermarkCallbacks): void {
    this.#output.addDownstreamWatermarkCallbacks(callbacks);
  }

  #encodeEvents(bytes: Buffer, endStream: boolean): void {
    const parts: Buffer[] = [];
    this.#events.push(bytes, (event) => parts.push(this.#renameEvent(event)));
    const out = endStream ? this.#lastEvents(parts) : Buffer.concat(parts);
    if (out.length > 0 || endStream) this.#output.encodeData(out, endStream);
  }

  /** With what was held back as it may not have been complete. */
  #lastEvents(parts: Buffer[]): Buffer {
    this.#events.finish((event) => parts.push(this.#renameEvent(event)));
    parts.push(this.#events.rest());
    return Buffer.concat(parts);
  }

  #renameEvent(event: SseEventFrame): Buffer {
    if (!event.raw.includes(NAME)) return event.raw;
    const { data } = event;
    if (data === undefined || !data.startsWith('{')) return event.raw;
    const received = Buffer.from(data, 'utf8');
    const renamed = renameModel(received, this.#scanner, this.#shown);
    if (renamed !== received) event.setData(renamed.toString('utf8'));
    return event.bytes;
  }

  #encodeJson(bytes: Buffer, endStream: boolean): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (endStream) {
      this.#output.encodeData(this.#takeJson(), true);
    } else if (this.#heldBytes > MAX_JSON_BYTES) {
      this.#body = 'as_it_is';
      const held = Buffer.concat(this.#held);
      this.#held = [];
      this.#output.encodeData(held, false);
    }
  }

  #takeJson(): Buffer {
    const body = Buffer.concat(this.#held);
    this.#held = [];
    return renameModel(body, this.#scanner, this.#shown);
  }
}

/** The same buffer when there is no name of a model in it. `shown` is JSON. */
export function renameModel(json: Buffer, scanner: JsonScanner, shown: Buffer): Buffer {
  const spans = scanner.scan(json);
  if (spans === undefined) return json;
  const span = spans.find('model');
  if (span !== undefined && json[span.start] === QUOTE) {
    return Buffer.concat([json.subarray(0, span.start), shown, json.subarray(span.end)]);
  }
  for (const name of HOLDERS) {
    const holder = spans.find(name);
    if (holder === undefined) continue;
    const inner = json.subarray(holder.start, holder.end);
    const model = scanner.scan(inner)?.find('model');
    if (model === undefined || inner[model.start] !== QUOTE) continue;
    return Buffer.concat([
      json.subarray(0, holder.start + model.start),
      shown,
      json.subarray(holder.start + model.end),
    ]);
  }
  return json;
}
