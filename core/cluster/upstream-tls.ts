import { createHmac, randomBytes } from 'node:crypto';
import type { UpstreamTls } from '../api/upstream.js';

/** How workers are spoken to over TLS. */
export interface UpstreamTlsOptions {
  /** PEM certificates of the authorities to trust, instead of Node's own list. */
  readonly ca?: string | readonly string[] | undefined;
  /** PEM client certificate and key, for workers that want one. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Name that the worker's certificate must be for, and SNI; default: the host of its URL. */
  readonly serverName?: string | undefined;
  /** False accepts any certificate. Default true. */
  readonly rejectUnauthorized?: boolean | undefined;
  /** Offer HTTP/2 by ALPN. Default false. */
  readonly allowH2?: boolean | undefined;
}

/** New in each process, so that an id says nothing about a key outside it. */
const ID_KEY = randomBytes(32);

/**
 * The TLS settings of one cluster, read only by the transports. Two with equal settings have equal ids and are deeply
 * equal; the private key is where neither `JSON.stringify` nor `util.inspect` finds it.
 */
export class UpstreamTlsSettings implements UpstreamTls {
  readonly id: string;
  readonly #options: UpstreamTlsOptions;

  constructor(options: UpstreamTlsOptions) {
    this.#options = options;
    const { ca, cert, key, serverName, rejectUnauthorized, allowH2 } = options;
    const text = JSON.stringify([ca, cert, key, serverName, rejectUnauthorized, allowH2]);
    this.id = createHmac('sha256', ID_KEY).update(text).digest('hex').slice(0, 32);
  }

  /** Holds the private key: for a handshake, nothing else. */
  options(): UpstreamTlsOptions {
    return this.#options;
  }
}
