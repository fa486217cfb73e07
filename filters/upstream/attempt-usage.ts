import type {
  Attempt,
  Backend,
  Delta,
  InferenceRequest,
  ResponseHeaders,
  StreamInfo,
  TokenUsage,
} from '../../core/api/index.js';
import { AnswerUsage } from '../../core/inference/answer-usage.js';
import type { JsonScanner } from '../../core/inference/json-scan.js';
import { UsageStripper } from './usage-stripper.js';

const EMPTY = Buffer.alloc(0);
/** Of a request body, JSON around the prompt included. */
const BYTES_PER_TOKEN = 4;
/** Client apis whose streams state counts only on request. */
const ON_REQUEST: ReadonlySet<string> = new Set(['chat', 'completions']);

/**
 * Token counts of one attempt. Where the request is accounted for and its client does not ask for the counts of a stream,
 * the worker is asked for them here, and what that adds to the stream goes no further. Publishes in the attempt and in
 * StreamInfo what the answer took, also when nobody got it whole.
 */
export class AttemptUsage {
  readonly #streamInfo: StreamInfo;
  readonly #attempt: Attempt | undefined;
  readonly #scanner: JsonScanner;
  #stream = false;
  #promptEstimate: number | undefined = undefined;
  #asked = false;
  #answer: AnswerUsage | undefined = undefined;
  #stripper: UsageStripper | undefined = undefined;
  #published = false;

  /** `scanner` may be shared. */
  constructor(streamInfo: StreamInfo, attempt: Attempt | undefined, scanner: JsonScanner) {
    this.#streamInfo = streamInfo;
    this.#attempt = attempt;
    this.#scanner = scanner;
  }

  /** The request as this worker gets it. */
  prepare(request: InferenceRequest, backend: Backend): InferenceRequest {
    const { needsUsage } = this.#streamInfo;
    this.#stream = request.stream;
    if (!needsUsage || !request.stream) return request;
    this.#promptEstimate = promptTokensOf(request);
    if (!ON_REQUEST.has(request.api) || backend.usageOnRequest !== true) return request;
    const options = optionsWithUsage(request.rawField('stream_options'));
    if (options === undefined) return request;
    const own = request.fork();
    own.setField('stream_options', options);
    this.#asked = true;
    return own;
  }

  onHeaders(headers: ResponseHeaders): void {
    if (headers.status < 200 || headers.status > 299) return;
    this.#begin();
    if (
      this.#asked &&
      headers.kind === 'bytes' &&
      headers.get('content-type')?.startsWith('text/event-stream') === true
    ) {
      this.#stripper = new UsageStripper(this.#scanner);
      headers.delete('content-length');
    }
  }

  /** Counts that were stated before there was anything to pass on. */
  onEarlyUsage(usage: TokenUsage): void {
    this.#begin()?.add({ kind: 'usage', usage });
  }

  /** What to pass on of these bytes; undefined: nothing. */
  onData(bytes: Buffer, endStream: boolean): Buffer | undefined {
    this.#answer?.push(bytes);
    if (endStream) this.publish(true);
    const stripper = this.#stripper;
    if (stripper === undefined) return bytes;
    const passed = stripper.push(bytes);
    if (!endStream) return passed;
    const rest = stripper.finish();
    if (passed !== undefined && rest !== undefined) return Buffer.concat([passed, rest]);
    return passed ?? rest ?? EMPTY;
  }

  /** The body has ended before its trailers: what is left to pass on. */
  onBodyEnd(): Buffer | undefined {
    this.publish(true);
    return this.#stripper?.finish();
  }

  onDelta(delta: Delta, endStream: boolean): void {
    this.#answer?.add(delta);
    if (endStream) this.publish(true);
  }

  /** The first call counts. `complete`: the worker's answer has come to its end. */
  publish(complete: boolean): void {
    if (this.#published) return;
    this.#published = true;
    const usage = this.#answer?.usage(complete);
    if (usage === undefined) return;
    if (this.#attempt !== undefined) this.#attempt.usage = usage;
    this.#streamInfo.usage = usage;
  }

  #begin(): AnswerUsage | undefined {
    const { api, needsUsage } = this.#streamInfo;
    if (api === undefined || api.generates === false) return undefined;
    const estimate = needsUsage && this.#stream ? { promptTokens: this.#promptEstimate } : undefined;
    this.#answer ??= new AnswerUsage(api, estimate);
    return this.#answer;
  }
}

/** `stream_options` that ask for the counts; undefined where they do already, or are what the worker will refuse. */
function optionsWithUsage(text: string | undefined): string | undefined {
  const options: unknown = text === undefined ? null : JSON.parse(text);
  if (options === null) return '{"include_usage":true}';
  if (typeof options !== 'object' || Array.isArray(options)) return undefined;
  if ((options as { include_usage?: unknown }).include_usage === true) return undefined;
  return JSON.stringify({ ...options, include_usage: true });
}

/** By the size of the body; undefined where pictures and the like stand in it, whose bytes say nothing of tokens. */
function promptTokensOf(request: InferenceRequest): number | undefined {
  const bytes = request.bytes();
  return bytes.includes('base64') || bytes.includes('"input_audio"')
    ? undefined
    : Math.ceil(bytes.length / BYTES_PER_TOKEN);
}
