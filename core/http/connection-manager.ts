import type { Clock } from '../api/clock.js';
import type { RequestHeaders } from '../api/headers.js';
import type { ServerStream, ServerStreamAcceptor, ServerStreamHandler } from '../api/http-server.js';
import { StreamInfo } from '../api/stream-info.js';
import { type Endpoint, type EndpointTable, UNKNOWN_ENDPOINT } from './endpoint-table.js';
import type { ChainSegment } from './filter-chain.js';
import { FilterManager, type FilterManagerOptions } from './filter-manager.js';
import { HttpStream } from './http-stream.js';
import { setEndpoint } from './local-endpoint.js';
import { ResponseSink } from './response-sink.js';

/**
 * What a listener shows of the administration endpoints: `open` to whoever passes the filters, `refused` with 403 since
 * nothing protects them there, or `absent`.
 */
export type ControlAccess = 'open' | 'refused' | 'absent';

/** What one config generation gives to the streams that begin on it. */
export interface HttpGeneration {
  /** Chain of inference requests. */
  readonly chain: ChainSegment;
  /** Chain of everything else: filters that apply to every request, then the local endpoints. */
  readonly localChain: ChainSegment;
  readonly endpoints: EndpointTable;
  readonly options: FilterManagerOptions;
  /** Asked for each request to an administration endpoint. */
  controlAccess(info: StreamInfo): ControlAccess;
  /** Counts a stream in; it keeps this generation until it gives it back. */
  retain(): void;
  release(): void;
}

/** What a connection manager knows of its listener. */
export interface ListenerFacts {
  readonly name: string;
  /** Inference and what else needs a data-plane key does not exist here. */
  readonly administrationOnly: boolean;
  /** Largest request body that it takes. */
  readonly bodyLimitBytes: number;
}

/** Turns requests of one listener into streams on the generation that is current when their head arrives. */
export class ConnectionManager {
  readonly #listener: string;
  readonly #administrationOnly: boolean;
  readonly #bodyLimitBytes: number;
  readonly #clock: Clock;
  readonly #current: () => HttpGeneration;

  constructor(listener: ListenerFacts, clock: Clock, current: () => HttpGeneration) {
    this.#listener = listener.name;
    this.#administrationOnly = listener.administrationOnly;
    this.#bodyLimitBytes = listener.bodyLimitBytes;
    this.#clock = clock;
    this.#current = current;
  }

  readonly accept: ServerStreamAcceptor = (
    stream: ServerStream,
    headers: RequestHeaders,
    endStream: boolean,
  ): ServerStreamHandler => {
    const generation = this.#current();
    const info = new StreamInfo(
      stream.protocol,
      stream.remoteAddress,
      this.#listener,
      headers.method,
      headers.path,
      this.#clock.monotonicMs(),
    );
    const endpoint = this.#endpointOf(generation, info);
    info.endpoint = endpoint.path;
    if (endpoint.kind === 'api') {
      info.api = endpoint.api;
      info.errorDialect = endpoint.api.errorDialect;
      info.accessClass = 'data';
    } else {
      setEndpoint(info, endpoint);
      info.errorDialect = generation.endpoints.dialectOf(info.path, headers);
      if (endpoint.kind === 'local') info.accessClass = endpoint.endpoint.accessClass;
    }
    generation.retain();
    const response = new ResponseSink(stream, info, this.#clock, generation);
    const chain = endpoint.kind === 'api' ? generation.chain : generation.localChain;
    const manager = new FilterManager(chain, generation.options, info, response, undefined);
    const httpStream = new HttpStream(info, this.#clock, manager, response, this.#bodyLimitBytes);
    httpStream.start(headers, endStream);
    return httpStream;
  };

  /** What the path leads to on this listener. */
  #endpointOf(generation: HttpGeneration, info: StreamInfo): Endpoint {
    const endpoint = generation.endpoints.resolve(info.method, info.path);
    if (endpoint.kind === 'unknown') return endpoint;
    if (endpoint.accessClass === 'control') {
      const access = generation.controlAccess(info);
      if (access === 'open') return endpoint;
      return access === 'absent' ? UNKNOWN_ENDPOINT : { kind: 'refused', path: endpoint.path };
    }
    return this.#administrationOnly && endpoint.accessClass === 'data' ? UNKNOWN_ENDPOINT : endpoint;
  }
}
