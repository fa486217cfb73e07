import type { HeaderMap } from '../../core/api/index.js';
import type { CorsSettings } from './config.js';

/** What SDKs and tracing send from browsers. */
const SDK_HEADERS = [
  'content-type',
  'authorization',
  'x-api-key',
  'anthropic-version',
  'anthropic-beta',
  'anthropic-dangerous-direct-browser-access',
  'openai-organization',
  'openai-project',
  'x-stainless-*',
  'x-request-id',
  'idempotency-key',
  'traceparent',
  'tracestate',
];

/** Longest `Access-Control-Request-Headers` that is answered in kind, characters. */
const MAX_REQUESTED_LENGTH = 4096;
/** What a preflight's answer depends on. */
const PREFLIGHT_VARY = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers';

/** The rules of one config generation, with every text that does not depend on the request made beforehand. */
export class CorsRules {
  /** Undefined: any. */
  readonly #origins: ReadonlySet<string> | undefined;
  readonly #methods: string;
  readonly #anyHeader: boolean;
  readonly #headers: ReadonlySet<string>;
  readonly #headerPrefixes: readonly string[];
  readonly #exposed: string;
  readonly #credentials: boolean;
  readonly #maxAge: string;

  constructor(settings: CorsSettings) {
    const any = settings.allow_origins.includes('*');
    const headers = settings.allow_headers ?? (any ? ['*'] : SDK_HEADERS);
    this.#origins = any ? undefined : new Set(settings.allow_origins);
    this.#methods = settings.allow_methods.join(', ');
    this.#anyHeader = headers.includes('*');
    this.#headers = new Set(headers.filter((name) => !name.endsWith('*')));
    this.#headerPrefixes = headers.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));
    this.#exposed = settings.expose_headers.join(', ');
    this.#credentials = settings.allow_credentials;
    this.#maxAge = String(settings.max_age_seconds);
  }

  allows(origin: string): boolean {
    return this.#origins === undefined || this.#origins.has(origin);
  }

  /**
   * Writes the answer of a preflight. For an origin that is not allowed nothing but `Vary`: the browser then refuses the
   * page, and nobody learns which origins would do. A method or header that is not allowed is missing from the lists.
   */
  answerPreflight(response: HeaderMap, origin: string, requestedHeaders: string | undefined): void {
    response.append('vary', PREFLIGHT_VARY);
    if (!this.allows(origin)) return;
    this.#allowOrigin(response, origin);
    response.append('access-control-allow-methods', this.#methods);
    const headers = this.#allowedHeaders(requestedHeaders);
    if (headers !== '') response.append('access-control-allow-headers', headers);
    response.append('access-control-max-age', this.#maxAge);
  }

  /** Writes the rules onto an answer, in place of what a worker said. `origin` undefined: the client sent none. */
  applyTo(response: HeaderMap, origin: string | undefined): void {
    removeForeignRules(response);
    addVaryOrigin(response);
    if (origin === undefined || !this.allows(origin)) return;
    this.#allowOrigin(response, origin);
    if (this.#exposed !== '') response.append('access-control-expose-headers', this.#exposed);
  }

  #allowOrigin(response: HeaderMap, origin: string): void {
    response.append('access-control-allow-origin', this.#origins === undefined ? '*' : origin);
    if (this.#credentials) response.append('access-control-allow-credentials', 'true');
  }

  #allowedHeaders(requested: string | undefined): string {
    if (requested === undefined || requested.length > MAX_REQUESTED_LENGTH) return [...this.#headers].join(', ');
    return requested
      .toLowerCase()
      .split(',')
      .map((name) => name.trim())
      .filter((name) => /^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name) && this.#allowsHeader(name))
      .join(', ');
  }

  #allowsHeader(name: string): boolean {
    return this.#anyHeader || this.#headers.has(name) || this.#headerPrefixes.some((prefix) => name.startsWith(prefix));
  }
}

/** Engines answer with rules of their own; two sets of them make a browser refuse both. */
function removeForeignRules(response: HeaderMap): void {
  const flat = response.flat;
  for (let i = 0; i < flat.length; i += 2) {
    if (!(flat[i] as string).startsWith('access-control-')) continue;
    flat.splice(i, 2);
    i -= 2;
  }
}

function addVaryOrigin(response: HeaderMap): void {
  const vary = response.get('vary');
  if (vary === undefined) response.append('vary', 'Origin');
  else if (!/(?:^|[,\s])(?:origin|\*)(?:$|[,\s])/i.test(response.getAll('vary').join(','))) {
    response.append('vary', 'Origin');
  }
}
