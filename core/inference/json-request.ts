import type { RequestRules } from '../api/client-api.js';
import type { Conversation } from '../api/conversation.js';
import { GatewayError } from '../api/errors.js';
import type { InferenceRequest, JsonObject } from '../api/inference.js';
import type { ReceivedRequest } from './inference-request.js';
import type { JsonObjectSpans, JsonScanner, JsonSpan } from './json-scan.js';
import { ReceivedBytes } from './received-bytes.js';

/** What forks share: the received bytes and, once someone asked, their parse. */
class ReceivedBody extends ReceivedBytes {
  readonly client: RequestRules;
  readonly spans: JsonObjectSpans;
  #parsed: JsonObject | undefined = undefined;

  constructor(client: RequestRules, bytes: Buffer, spans: JsonObjectSpans) {
    super(bytes);
    this.client = client;
    this.spans = spans;
  }

  copy(): ReceivedBody {
    const bytes = Buffer.from(this.bytes);
    return new ReceivedBody(this.client, bytes, this.spans.over(bytes));
  }

  parsed(): JsonObject {
    this.#parsed ??= JSON.parse(this.bytes.toString('utf8')) as JsonObject;
    return this.#parsed;
  }
}

interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * A JSON request over the client's own bytes. Nothing is parsed until `json()`; changes are kept per field and spliced
 * into a new buffer when `bytes()` is next asked for, so that everything else stays as it was sent.
 */
export class JsonInferenceRequest implements ReceivedRequest {
  readonly api: string;
  readonly format = 'json';
  readonly contentType: string;
  readonly requestedModel: string | undefined;
  readonly stream: boolean;
  readonly #received: ReceivedBody;
  /** Raw JSON by field name, null for what is removed; undefined while nothing changed. */
  #changes: Map<string, string | null> | undefined;
  #model: string | undefined;
  /** With the changes spliced in, once asked for. */
  #changed: Buffer | undefined;
  #conversation: Conversation | undefined;

  private constructor(
    origin: Pick<InferenceRequest, 'api' | 'contentType' | 'requestedModel' | 'stream' | 'model'>,
    received: ReceivedBody,
    changes: Map<string, string | null> | undefined,
    changed: Buffer | undefined,
  ) {
    this.api = origin.api;
    this.contentType = origin.contentType;
    this.requestedModel = origin.requestedModel;
    this.stream = origin.stream;
    this.#received = received;
    this.#changes = changes;
    this.#model = origin.model;
    this.#changed = changed;
    this.#conversation = undefined;
  }

  /**
   * Reads a body: the request, or the error to answer (`invalid_json` with the byte position, `invalid_type` for a
   * `model` that is no string or a `stream` that is no boolean; null counts as absent). Keeps `bytes`.
   */
  static read(
    client: RequestRules,
    contentType: string,
    bytes: Buffer,
    scanner: JsonScanner,
  ): JsonInferenceRequest | GatewayError {
    const spans = scanner.scan(bytes);
    if (spans === undefined) return invalidJson(scanner, bytes.length);
    const modelText = textAt(bytes, spans.find('model')) ?? 'null';
    if (modelText !== 'null' && !modelText.startsWith('"')) return invalidType('model', 'a string', modelText);
    const streamText = textAt(bytes, spans.find('stream')) ?? 'null';
    if (streamText !== 'null' && streamText !== 'true' && streamText !== 'false') {
      return invalidType('stream', 'a boolean', streamText);
    }
    const model = modelText === 'null' ? undefined : (JSON.parse(modelText) as string);
    const origin = {
      api: client.type,
      contentType,
      requestedModel: model,
      model,
      stream: streamText === 'true',
    };
    return new JsonInferenceRequest(origin, new ReceivedBody(client, bytes, spans), undefined, undefined);
  }

  get model(): string | undefined {
    return this.#model;
  }

  bytes(): Buffer {
    const changes = this.#changes;
    if (changes === undefined) return this.#received.bytes;
    this.#changed ??= this.#splice(changes);
    return this.#changed;
  }

  json(): JsonObject {
    const parsed = this.#received.parsed();
    if (this.#changes === undefined) return parsed;
    const changed = { ...parsed };
    for (const [name, text] of this.#changes) {
      if (text === null) delete changed[name];
      else
        Object.defineProperty(changed, name, {
          value: JSON.parse(text),
          enumerable: true,
          configurable: true,
          writable: true,
        });
    }
    return changed;
  }

  rawField(name: string, maxBytes = Number.POSITIVE_INFINITY): string | undefined {
    const change = this.#changes?.get(name);
    if (change !== undefined) return change ?? undefined;
    const span = this.#received.spans.find(name);
    if (span === undefined || span.end - span.start <= maxBytes) return textAt(this.#received.bytes, span);
    return this.#received.bytes.toString('utf8', span.start, span.start + maxBytes);
  }

  setField(name: string, rawJson: string): void {
    this.#change(name, rawJson);
  }

  deleteField(name: string): void {
    if (this.rawField(name) !== undefined) this.#change(name, null);
  }

  conversation(): Conversation {
    if (this.#conversation !== undefined) return this.#conversation;
    const { client } = this.#received;
    if (client.readConversation === undefined) {
      const message = `The workers of this model do not support the ${this.api} API`;
      throw new GatewayError('endpoint_not_supported', message, { details: 'api_no_conversation' });
    }
    this.#conversation = client.readConversation(this.json(), this.stream);
    return this.#conversation;
  }

  setModel(model: string): void {
    if (model === this.#model) return;
    this.#model = model;
    this.setField('model', JSON.stringify(model));
  }

  fork(): JsonInferenceRequest {
    const changes = this.#changes === undefined ? undefined : new Map(this.#changes);
    return new JsonInferenceRequest(this, this.#received, changes, this.#changed);
  }

  detach(): JsonInferenceRequest {
    const changes = this.#changes === undefined ? undefined : new Map(this.#changes);
    return new JsonInferenceRequest(this, this.#received.copy(), changes, this.#changed);
  }

  forgetReceived(): void {
    this.#received.forget();
  }

  #change(name: string, rawJson: string | null): void {
    this.#changes ??= new Map();
    this.#changes.set(name, rawJson);
    this.#changed = undefined;
    this.#conversation = undefined;
  }

  #splice(changes: ReadonlyMap<string, string | null>): Buffer {
    const { bytes, spans } = this.#received;
    const removed = new Set<string>();
    for (const [name, text] of changes) if (text === null) removed.add(name);
    const removals = removed.size === 0 ? undefined : spans.removals(removed);
    // So many fields that their places were not kept: written anew.
    if (removed.size > 0 && removals === undefined) return Buffer.from(JSON.stringify(this.json()), 'utf8');
    const empty = removals === undefined ? spans.empty : removals.left === 0;
    const splices: Splice[] = (removals?.cuts ?? []).map((cut) => ({ ...cut, text: '' }));
    let added = '';
    for (const [name, text] of changes) {
      if (text === null) continue;
      const span = spans.find(name);
      if (span !== undefined) splices.push({ start: span.start, end: span.end, text });
      else added += `${added === '' && empty ? '' : ','}${JSON.stringify(name)}:${text}`;
    }
    splices.sort((a, b) => a.start - b.start);
    if (added !== '') splices.push({ start: spans.closeOffset, end: spans.closeOffset, text: added });
    const parts: Buffer[] = [];
    let at = 0;
    for (const splice of splices) {
      parts.push(bytes.subarray(at, splice.start), Buffer.from(splice.text, 'utf8'));
      at = splice.end;
    }
    parts.push(bytes.subarray(at));
    return Buffer.concat(parts);
  }
}

function textAt(bytes: Buffer, span: JsonSpan | undefined): string | undefined {
  return span === undefined ? undefined : bytes.toString('utf8', span.start, span.end);
}

function invalidJson(scanner: JsonScanner, length: number): GatewayError {
  const { fault, faultOffset } = scanner;
  const where = length === 0 ? '' : ` at byte ${faultOffset}`;
  return new GatewayError('invalid_json', `The request body is not valid JSON: ${fault}${where}`, {
    details: 'request_body_invalid_json',
  });
}

function invalidType(param: string, expected: string, found: string): GatewayError {
  return new GatewayError(
    'invalid_type',
    `Invalid type for '${param}': expected ${expected}, but got ${typeName(found)}`,
    {
      param,
    },
  );
}

/** Of a JSON value, by its first character. */
function typeName(text: string): string {
  if (text === 'true' || text === 'false') return 'a boolean';
  if (text.startsWith('"')) return 'a string';
  if (text.startsWith('{')) return 'an object';
  return text.startsWith('[') ? 'an array' : 'a number';
}
