import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../../core/api/clock.js';
import type { RequestHeaders } from '../../../core/api/headers.js';
import type { BoundServer, HttpServers, ServerStream, ServerStreamHandler } from '../../../core/api/http-server.js';
import type { Logger } from '../../../core/api/log.js';
import { type SimConfig, type SimConfigInput, simConfigSchema } from './config.js';
import { CONTROL_ENDPOINTS } from './control-endpoints.js';
import { type Endpoint, infoEndpoint } from './endpoint.js';
import { type ExchangeOutcome, type ExchangeOwner, SimExchange } from './exchange.js';
import type { Fault } from './fault.js';
import { InstantAnswers } from './instant-answers.js';
import { handleModel, MODEL_PATH_PREFIX, OPENAI_ENDPOINTS } from './openai-endpoints.js';
import { errorBody, RequestRejected, unknownPathBody } from './rejection.js';
import { SGLANG_ENDPOINTS } from './sglang-endpoints.js';
import { type ReceivedRequest, SimEngine, type SimStats } from './sim-engine.js';
import { sendMetrics, VLLM_ENDPOINTS } from './vllm-endpoints.js';

const NOT_HTTP = Buffer.from('\x00\x01 this is not HTTP \xff\xfe\r\n\r\n', 'latin1');
const BEARER = 'bearer ';
const FAULT_CHANGE_DELAY_MS = 20;
const MODEL_ENDPOINT = infoEndpoint('GET', MODEL_PATH_PREFIX, handleModel);
const METRICS_ENDPOINT = infoEndpoint('GET', '/metrics', sendMetrics);

/** What a simulated engine takes from its process. */
export interface SimServices {
  readonly httpServers: HttpServers;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Handle on a running simulated engine. */
export interface RunningSim {
  readonly name: string;
  readonly models: readonly string[];
  /** `http://host:port`; stays the same while the engine refuses connections. */
  readonly url: string;
  readonly port: number;
  /** For the routing laboratory and for subscribers to KV events. */
  readonly engine: SimEngine;
  stats(): SimStats;
  /** Last inference requests with headers and bodies, oldest first; none in instant mode. */
  requests(): readonly ReceivedRequest[];
  /** As in YAML; undefined lifts it. `refuse` closes the port until another fault, or none, is set. */
  setFault(text: string | undefined): Promise<void>;
  /** False makes `/health` answer 503. */
  setHealthy(healthy: boolean): void;
  /** Closes the port and every connection. */
  close(): Promise<void>;
}

/**
 * Starts a simulated engine; resolves once its port listens. Missing settings take their defaults. Throws ZodError for
 * settings that cannot be, and what `listen` throws when the port is taken.
 */
export async function startSimEngine(options: SimConfigInput, services: SimServices): Promise<RunningSim> {
  return SimServer.start(simConfigSchema.parse(options), services);
}

/** The engine on its socket: paths, keys, faults, and one exchange per request. */
export class SimServer implements RunningSim, ExchangeOwner {
  readonly engine: SimEngine;
  port = 0;
  readonly #services: SimServices;
  readonly #routes: ReadonlyMap<string, readonly Endpoint[]>;
  readonly #keyHash: Buffer | undefined;
  readonly #instant: InstantAnswers | undefined;
  /** Exchanges that the engine counts. */
  readonly #counted = new WeakSet<SimExchange>();
  #server: BoundServer | undefined = undefined;
  #closed = false;

  private constructor(config: SimConfig, services: SimServices) {
    this.engine = new SimEngine(config, services.clock);
    this.#services = services;
    this.#routes = routesOf(config.runtime);
    this.#keyHash = config.api_key === undefined ? undefined : sha256(config.api_key);
    this.#instant = config.instant ? new InstantAnswers(this.engine) : undefined;
    // Later, so that the answer to the request that set it gets out before the port closes.
    this.engine.onFaultChange = () => services.clock.setTimer(FAULT_CHANGE_DELAY_MS, () => this.#followFaultLogged());
  }

  /** Binds the port of `config` and serves. */
  static async start(config: SimConfig, services: SimServices): Promise<SimServer> {
    const server = new SimServer(config, services);
    await server.#listen(config.port);
    if (server.engine.fault?.kind === 'refuse') await server.#followFault();
    services.logger.debug({ engine: config.name, url: server.url }, 'simulated engine started');
    return server;
  }

  get name(): string {
    return this.engine.config.name;
  }

  get models(): readonly string[] {
    return this.engine.config.models;
  }

  get url(): string {
    const { host } = this.engine.config;
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  stats(): SimStats {
    return this.engine.stats();
  }

  requests(): readonly ReceivedRequest[] {
    return this.engine.requests();
  }

  async setFault(text: string | undefined): Promise<void> {
    this.engine.setFault(text);
    await this.#followFault();
  }

  setHealthy(healthy: boolean): void {
    this.engine.healthy = healthy;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.engine.close();
    const server = this.#server;
    this.#server = undefined;
    await server?.close();
  }

  onRequest(exchange: SimExchange): void {
    const endpoint = this.#route(exchange);
    if (endpoint === undefined) return;
    if (endpoint.inference) {
      this.#counted.add(exchange);
      this.engine.onReceived(exchange);
      if (exchange.fault !== undefined && this.#applyFault(exchange, exchange.fault, endpoint)) return;
      if (this.#instant?.handle(exchange) === true) return;
    }
    try {
      endpoint.handle(this.engine, exchange);
    } catch (error) {
      if (error instanceof RequestRejected) this.#reject(exchange, endpoint, error);
      else this.#failInternally(exchange, endpoint, error);
    }
  }

  onExchangeEnd(exchange: SimExchange, outcome: ExchangeOutcome): void {
    if (this.#counted.delete(exchange)) this.engine.onEnded(outcome);
  }

  runLater(delayMs: number, callback: () => void): void {
    this.#services.clock.setTimer(delayMs, callback);
  }

  async #listen(port: number): Promise<void> {
    const { host } = this.engine.config;
    this.#server = await this.#services.httpServers.listen({ host, port }, (stream, headers, endStream) =>
      this.#accept(stream, headers, endStream),
    );
    this.port = this.#server.port;
  }

  /** Opens or closes the port as the engine's fault says. */
  async #followFault(): Promise<void> {
    const refuses = this.engine.fault?.kind === 'refuse';
    const server = this.#server;
    if (refuses && server !== undefined) {
      this.#server = undefined;
      await server.close();
    } else if (!refuses && server === undefined && !this.#closed) await this.#listen(this.port);
  }

  #followFaultLogged(): void {
    this.#followFault().catch((error: unknown) => {
      this.#services.logger.error({ err: error, engine: this.name }, 'simulated engine cannot open its port again');
    });
  }

  #accept(stream: ServerStream, headers: RequestHeaders, endStream: boolean): ServerStreamHandler {
    const exchange = new SimExchange(this, stream, headers);
    if (endStream) exchange.onData(EMPTY, true);
    return exchange;
  }

  /** The endpoint of a request, or undefined when that has been answered: unknown, without key, or a bad fault. */
  #route(exchange: SimExchange): Endpoint | undefined {
    const { method } = exchange.headers;
    const { runtime } = this.engine.config;
    const { path } = exchange;
    const candidates = this.#routes.get(path) ?? (path.startsWith(MODEL_PATH_PREFIX) ? [MODEL_ENDPOINT] : undefined);
    const wanted = method === 'HEAD' ? 'GET' : method;
    const endpoint = candidates?.find((candidate) => candidate.method === wanted);
    if (endpoint === undefined) {
      const status = candidates === undefined ? 404 : 405;
      const allow = candidates === undefined ? [] : ['allow', candidates.map((each) => each.method).join(', ')];
      exchange.sendJson(status, unknownPathBody(runtime, method, path, status), allow);
      return undefined;
    }
    if (!endpoint.inference) return endpoint;
    if (!this.#isAuthorized(exchange.headers)) {
      const body =
        runtime === 'openai' || endpoint.errors === 'anthropic'
          ? errorBody(runtime, endpoint.errors, new RequestRejected(401, 'Incorrect API key provided.'))
          : { error: 'Unauthorized' };
      exchange.sendJson(401, body, ['www-authenticate', 'Bearer']);
      return undefined;
    }
    try {
      exchange.fault = this.engine.drawFault(exchange.headers);
    } catch (error) {
      this.#reject(exchange, endpoint, error as RequestRejected);
      return undefined;
    }
    return endpoint;
  }

  /** Faults that take the place of an answer; true when one did. */
  #applyFault(exchange: SimExchange, fault: Fault, endpoint: Endpoint): boolean {
    if (fault.kind === 'refuse') exchange.breakConnection(undefined, 'reset');
    else if (fault.kind === 'garbage') exchange.breakConnection(NOT_HTTP, 'end');
    else if (fault.kind === 'stall' && fault.value === 0) exchange.stall();
    else if (fault.kind === 'status') {
      const retryAfter = fault.retryAfterSeconds;
      const rejected = new RequestRejected(fault.value, `Scripted fault: status ${fault.value}`);
      const body = errorBody(this.engine.config.runtime, endpoint.errors, rejected);
      exchange.sendJson(fault.value, body, retryAfter === undefined ? [] : ['retry-after', String(retryAfter)]);
    } else return false;
    return true;
  }

  #reject(exchange: SimExchange, endpoint: Endpoint, rejected: RequestRejected): void {
    exchange.fault = undefined;
    exchange.sendJson(rejected.status, errorBody(this.engine.config.runtime, endpoint.errors, rejected));
  }

  /** A bug of the simulator: this request fails, the engine lives. */
  #failInternally(exchange: SimExchange, endpoint: Endpoint, error: unknown): void {
    this.#services.logger.error({ err: error, engine: this.name, path: exchange.path }, 'simulated engine failed');
    this.#reject(exchange, endpoint, new RequestRejected(500, 'Internal server error'));
  }

  #isAuthorized(headers: RequestHeaders): boolean {
    if (this.#keyHash === undefined) return true;
    const authorization = headers.get('authorization');
    const bearer =
      authorization?.slice(0, BEARER.length).toLowerCase() === BEARER ? authorization.slice(BEARER.length) : undefined;
    // Hashes have one length, so the comparison tells nothing about the key's.
    return timingSafeEqual(sha256(bearer ?? headers.get('x-api-key') ?? ''), this.#keyHash);
  }
}

const EMPTY = Buffer.alloc(0);

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function routesOf(runtime: SimConfig['runtime']): ReadonlyMap<string, readonly Endpoint[]> {
  const endpoints = [...OPENAI_ENDPOINTS, ...CONTROL_ENDPOINTS];
  if (runtime === 'sglang') endpoints.push(...SGLANG_ENDPOINTS, METRICS_ENDPOINT);
  if (runtime === 'vllm') endpoints.push(...VLLM_ENDPOINTS, METRICS_ENDPOINT);
  const routes = new Map<string, Endpoint[]>();
  for (const endpoint of endpoints) {
    const methods = routes.get(endpoint.path);
    if (methods === undefined) routes.set(endpoint.path, [endpoint]);
    else methods.push(endpoint);
  }
  return routes;
}
