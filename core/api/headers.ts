/**
 * Header fields in wire order, with lower-case names. One flat list: a request has few fields, and scanning a short
 * array of interned strings beats hashing.
 *
 * Callers pass names in lower case; the codecs guarantee it for what comes off the wire, {@link HeaderMap.append} and
 * {@link HeaderMap.set} do not check. Values hold one byte per character (latin1), as on the wire.
 */
export class HeaderMap {
  /** Name and value alternate. Read by the codecs' writers; everyone else uses the methods. */
  readonly flat: string[];

  constructor(flat: string[] = []) {
    this.flat = flat;
  }

  /** Number of fields; a repeated name counts each time. */
  get size(): number {
    return this.flat.length >> 1;
  }

  /** Value of the first field of that name. */
  get(name: string): string | undefined {
    const flat = this.flat;
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return flat[i + 1];
    return undefined;
  }

  /** Every value of that name, in order. */
  getAll(name: string): string[] {
    const values: string[] = [];
    const flat = this.flat;
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) values.push(flat[i + 1] as string);
    return values;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Replaces every field of that name by one, in the place of the first. */
  set(name: string, value: string): void {
    const flat = this.flat;
    for (let i = 0; i < flat.length; i += 2) {
      if (flat[i] !== name) continue;
      flat[i + 1] = value;
      this.#deleteFrom(name, i + 2);
      return;
    }
    flat.push(name, value);
  }

  /** Adds a field after the others; repeated names are kept (`set-cookie`). */
  append(name: string, value: string): void {
    this.flat.push(name, value);
  }

  /** Removes every field of that name; true when there was one. */
  delete(name: string): boolean {
    return this.#deleteFrom(name, 0);
  }

  forEach(visit: (name: string, value: string) => void): void {
    const flat = this.flat;
    for (let i = 0; i < flat.length; i += 2) visit(flat[i] as string, flat[i + 1] as string);
  }

  #deleteFrom(name: string, start: number): boolean {
    const flat = this.flat;
    let to = start;
    for (let from = start; from < flat.length; from += 2) {
      if (flat[from] === name) continue;
      if (to !== from) {
        flat[to] = flat[from] as string;
        flat[to + 1] = flat[from + 1] as string;
      }
      to += 2;
    }
    const found = to !== flat.length;
    // Setting the length leaves compiled code, pop does not.
    while (flat.length > to) flat.pop();
    return found;
  }
}

/** Head of a request. The pseudo-header fields of HTTP/2 and the request line of HTTP/1 both end up here. */
export class RequestHeaders extends HeaderMap {
  /** As sent; methods are case-sensitive (RFC 9110 §9.1). */
  method: string;
  /** Path and query, beginning with `/` (or `*`). Absolute-form targets have been reduced to it. */
  path: string;
  /** `Host` or `:authority`; empty for an HTTP/1.0 request without one. Not repeated among the fields. */
  authority: string;
  scheme: 'http' | 'https';

  constructor(method: string, path: string, authority: string, scheme: 'http' | 'https', flat: string[] = []) {
    super(flat);
    this.method = method;
    this.path = path;
    this.authority = authority;
    this.scheme = scheme;
  }

  /** An independent copy, for one attempt of several. */
  clone(): RequestHeaders {
    return new RequestHeaders(this.method, this.path, this.authority, this.scheme, this.flat.slice());
  }
}

/**
 * What follows the head of a response: `bytes` (through `encodeData` or `encodeEvent`), or `deltas` (through
 * `encodeDelta`) until `inference` renders them. Fixed per response; only a filter that renders may change it.
 */
export type ResponseKind = 'bytes' | 'deltas';

/** Head of a final response. Interim (1xx) responses never enter the chain. */
export class ResponseHeaders extends HeaderMap {
  status: number;
  kind: ResponseKind;

  constructor(status: number, flat: string[] = [], kind: ResponseKind = 'bytes') {
    super(flat);
    this.status = status;
    this.kind = kind;
  }
}
