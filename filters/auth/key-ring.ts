import { hash, timingSafeEqual } from 'node:crypto';
import { ConfigError } from '../../core/api/index.js';
import type { AuthSettings } from './config.js';

/** Tenant of the shared key. */
const SHARED_TENANT = 'default';
const DIGEST_BYTES = 32;

/** What a key lets its holder do. */
export interface KeyHolder {
  /** Name of the key, never the key. */
  readonly tenant: string;
  /** May call administration endpoints. */
  readonly admin: boolean;
}

interface KeyEntry {
  readonly digest: Buffer;
  readonly holder: KeyHolder;
}

/**
 * The keys of one config generation, kept as SHA-256 digests only. Looking one up takes time that does not depend on how
 * much of a guess is right: what is compared are digests, which a guesser cannot steer, and the comparison is constant.
 */
export class KeyRing {
  readonly #byDigest = new Map<string, KeyEntry>();
  readonly #scratch = Buffer.alloc(DIGEST_BYTES);

  /** Throws ConfigError for keys and names that cannot work; messages never hold a key. */
  constructor(settings: AuthSettings) {
    const { api_key: shared, keys } = settings;
    const tenants = new Set<string>();
    if (shared !== undefined) {
      tenants.add(SHARED_TENANT);
      this.#add(shared, { tenant: SHARED_TENANT, admin: true }, ['api_key']);
    }
    keys.forEach(({ id, key, admin }, index) => {
      if (tenants.has(id)) throw new ConfigError(`the key id "${id}" is used twice`, ['keys', index, 'id']);
      tenants.add(id);
      this.#add(key, { tenant: id, admin }, ['keys', index, 'key']);
    });
  }

  /** Number of keys. */
  get size(): number {
    return this.#byDigest.size;
  }

  /** Who holds this key; undefined when nobody does. */
  find(key: string): KeyHolder | undefined {
    const digest = hash('sha256', key, 'binary');
    const entry = this.#byDigest.get(digest);
    if (entry === undefined) return undefined;
    this.#scratch.latin1Write(digest, 0);
    return timingSafeEqual(this.#scratch, entry.digest) ? entry.holder : undefined;
  }

  #add(key: string, holder: KeyHolder, path: readonly (string | number)[]): void {
    if (!/^[!-~]+$/.test(key)) {
      throw new ConfigError('a key must be visible ASCII characters without spaces, as HTTP headers carry them', path);
    }
    const digest = hash('sha256', key, 'binary');
    if (this.#byDigest.has(digest)) throw new ConfigError('the same key is configured twice', path);
    this.#byDigest.set(digest, { digest: Buffer.from(digest, 'binary'), holder });
  }
}
