import type { GatewayError } from '../api/errors.js';
import type { BodyData, FilterFactoryCb, RunInfo, StreamFilter, StreamFilterCallbacks } from '../api/filter.js';
import { FilterHeadersStatus, FilterTrailersStatus } from '../api/filter.js';
import type { HeaderMap, ResponseHeaders } from '../api/headers.js';
import { RequestHeaders } from '../api/headers.js';
import type { Delta, InferenceRequest } from '../api/inference.js';
import type { LateTest } from '../api/request-match.js';
import { StreamInfo } from '../api/stream-info.js';
import { type ChainEntry, compileChain } from '../http/filter-chain.js';
import { FilterManager, type StreamSink } from '../http/filter-manager.js';

/** What came out at the top of the chain. */
export class RecordedResponse implements StreamSink {
  headers: ResponseHeaders | undefined = undefined;
  readonly chunks: Buffer[] = [];
  readonly deltas: Delta[] = [];
  trailers: HeaderMap | undefined = undefined;
  /** Set when the response ended properly. Counts, so that a second end is seen. */
  ends = 0;
  error: GatewayError | undefined = undefined;
  runEnded = false;
  /** Balance of readDisable calls. */
  readDisabled = 0;

  get body(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }

  /** The body parsed, for local replies. */
  get json(): { error: { code: string; message: string; type: string; param: string | null } } {
    return JSON.parse(this.body);
  }

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (this.headers !== undefined) throw new Error('two response heads');
    this.headers = headers;
    if (endStream) this.ends++;
  }

  onData(data: BodyData, endStream: boolean): void {
    if (this.headers === undefined) throw new Error('data before the head');
    if (this.ends > 0) throw new Error('data after the end');
    this.chunks.push(data.bytes);
    if (endStream) this.ends++;
  }

  onDelta(delta: Delta, endStream: boolean): void {
    if (this.headers === undefined) throw new Error('a delta before the head');
    this.deltas.push(delta);
    if (endStream) this.ends++;
  }

  onTrailers(trailers: HeaderMap): void {
    this.trailers = trailers;
    this.ends++;
  }

  onError(error: GatewayError): void {
    this.error = error;
  }

  readDisable(disable: boolean): void {
    this.readDisabled += disable ? 1 : -1;
  }

  onRunEnd(): void {
    this.runEnded = true;
  }
}

/** The end of a chain under test: remembers what reached it and answers when told. */
export class RecordingTerminal implements StreamFilter {
  readonly callbacks: StreamFilterCallbacks;
  headers: RequestHeaders | undefined = undefined;
  request: InferenceRequest | undefined = undefined;
  readonly chunks: Buffer[] = [];
  ended = false;
  destroyed = false;

  constructor(callbacks: StreamFilterCallbacks) {
    this.callbacks = callbacks;
  }

  get body(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    if (this.headers !== undefined) throw new Error('two request heads');
    this.headers = headers;
    this.ended = endStream;
    return FilterHeadersStatus.Continue;
  }

  decodeData(data: BodyData, endStream: boolean): 0 {
    if (this.headers === undefined) throw new Error('request data before the head');
    if (this.ended) throw new Error('request data after the end');
    this.chunks.push(data.bytes);
    this.ended = endStream;
    return 0;
  }

  decodeTrailers(): FilterTrailersStatus {
    this.ended = true;
    return FilterTrailersStatus.Continue;
  }

  decodeRequest(request: InferenceRequest): FilterTrailersStatus {
    if (this.headers === undefined) throw new Error('the request before its head');
    this.request = request;
    this.ended = true;
    return FilterTrailersStatus.Continue;
  }

  onDestroy(): void {
    this.destroyed = true;
  }
}

/** One filter for {@link createFilterHarness}; `nesting` as its definition says. */
export interface HarnessFilter {
  readonly name: string;
  readonly factory: FilterFactoryCb;
  readonly nesting?: boolean;
  /** The late part of a match: asked when the head of the request comes to the filter. */
  readonly admits?: LateTest;
}

/** A chain in memory, without sockets: the real manager, a recording end on both sides. */
export interface FilterHarness {
  readonly streamInfo: StreamInfo;
  readonly response: RecordedResponse;
  /** Every terminal that was made: one, or one per attempt below a nesting filter. */
  readonly terminals: readonly RecordingTerminal[];
  /** The last of them. */
  readonly terminal: RecordingTerminal;
  /** Exceptions that filters threw. */
  readonly exceptions: readonly unknown[];
  readonly manager: FilterManager;
  /** Starts a request; the fields' names are lower case. */
  sendHeaders(headers: RequestHeaders, endStream: boolean): void;
  sendData(bytes: Buffer | string, endStream: boolean): void;
  /** The body, read, after a head that did not end the stream. Only with {@link FilterHarnessOptions.above}. */
  sendRequest(request: InferenceRequest): void;
  /** The client leaves. */
  reset(): void;
}

/** Options of {@link createFilterHarness}. */
export interface FilterHarnessOptions {
  /** Prepares the stream's facts (api, principal, inference) before any filter is made. */
  readonly prepare?: (streamInfo: StreamInfo) => void;
  /** Default 1 MiB. */
  readonly bufferLimitBytes?: number;
  /** Default: a {@link RecordingTerminal}. */
  readonly terminal?: FilterFactoryCb;
  /**
   * What filters above the tested ones decide, when the head comes. With it a request with a body waits there for
   * `sendRequest`, as below `inference`.
   */
  readonly above?: (run: RunInfo) => void;
}

/** Stands for the filters above. */
class Above implements StreamFilter {
  readonly callbacks: StreamFilterCallbacks;
  readonly #decide: (run: RunInfo) => void;

  constructor(callbacks: StreamFilterCallbacks, decide: (run: RunInfo) => void) {
    this.callbacks = callbacks;
    this.#decide = decide;
  }

  decodeHeaders(_headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    this.#decide(this.callbacks.run);
    return endStream ? FilterHeadersStatus.Continue : FilterHeadersStatus.StopAllIterationAndWatermark;
  }
}

/** Builds a harness around these filters, in chain order. */
export function createFilterHarness(
  filters: readonly HarnessFilter[],
  options: FilterHarnessOptions = {},
): FilterHarness {
  const terminals: RecordingTerminal[] = [];
  const exceptions: unknown[] = [];
  const recordingTerminal: FilterFactoryCb = (callbacks) => {
    const terminal = new RecordingTerminal(callbacks);
    terminals.push(terminal);
    return terminal;
  };
  const { above: decide } = options;
  let above: Above | undefined;
  const aboveFactory: FilterFactoryCb = (callbacks) => {
    above = new Above(callbacks, decide ?? (() => undefined));
    return above;
  };
  const entries: ChainEntry[] = [
    ...(decide === undefined ? [] : [{ name: 'above', factory: aboveFactory, nesting: false }]),
    ...filters.map((filter) => ({ ...filter, nesting: filter.nesting === true })),
    { name: 'terminal', factory: options.terminal ?? recordingTerminal, nesting: false },
  ];
  const streamInfo = new StreamInfo('HTTP/1.1', '127.0.0.1', 'test', 'POST', '/v1/chat/completions', 0);
  options.prepare?.(streamInfo);
  const response = new RecordedResponse();
  const manager = new FilterManager(
    compileChain(entries),
    {
      bufferLimitBytes: options.bufferLimitBytes ?? 1024 * 1024,
      onFilterException: (error) => exceptions.push(error),
    },
    streamInfo,
    response,
    undefined,
  );
  return {
    streamInfo,
    response,
    terminals,
    get terminal(): RecordingTerminal {
      const last = terminals.at(-1);
      if (last === undefined) throw new Error('no request reached the terminal filter');
      return last;
    },
    exceptions,
    manager,
    sendHeaders: (headers, endStream) => manager.decodeHeaders(headers, endStream),
    sendData: (bytes, endStream) => manager.decodeData(0, Buffer.from(bytes as string), endStream),
    sendRequest: (request) => {
      if (above === undefined) throw new Error('nothing above the filters has read the body');
      above.callbacks.continueWithRequest(request);
    },
    reset: () => manager.reset(),
  };
}

/** A plausible request head. */
export function chatRequestHeaders(...flat: string[]): RequestHeaders {
  return new RequestHeaders('POST', '/v1/chat/completions', 'gateway.test', 'http', [
    'content-type',
    'application/json',
    ...flat,
  ]);
}
