import { hash, timingSafeEqual } from 'node:crypto';
import type { AuthSettings } from './config.js';

/** Tenant of the shared key. */
const SHARED_TENANT = 'default';

/** Whoever calls administration endpoints with a key of `admin.keys`. */
export interface Administrator {
  readonly id: string;
  readonly name: string;
  readonly role: 'admin' | 'user';
}

/** What one key lets its holder do. Names, never the key. */
export interface KeyHolder {
  /** Set for keys of the data plane. */
  readonly tenant: string | undefined;
  /** Whether it is the shared key. */
  readonly shared: boolean;
  /** Set for keys of the control plane. */
  readonly administrator: Administrator | undefined;
}

interface KeyEntry {
  readonly digest: Buffer;
  readonly holder: KeyHolder;
}

const DIGEST_BYTES = 32;

/**
 * The keys of one config generation, kept as SHA-256 digests only. Looking one up takes time that does not depend on how
 * much of a guess is right: what is compared are digests, which a guesser cannot steer, and the comparison is constant.
 */
export class KeyRing {
  /** Whether clients need a key. */
  readonly protectsData: boolean;
  /** Whether administration endpoints have keys of their own. */
  readonly hasAdministrators: boolean;
  readonly #byDigest = new Map<string, KeyEntry>();
  readonly #scratch = Buffer.alloc(DIGEST_BYTES);

  /** `settings` has passed its schema: keys are usable and unique within their plane. */
  constructor(settings: AuthSettings) {
    const { api_key: shared, admin } = settings;
    const tenants = [...settings.tenants, ...settings.keys];
    if (shared !== undefined) this.#add(shared, { tenant: SHARED_TENANT, shared: true });
    for (const { id, key } of tenants) this.#add(key, { tenant: id });
    for (const { id, name, role, key } of admin.keys) {
      this.#add(key, { administrator: { id, name: name === undefined || name === '' ? id : name, role } });
    }
    this.protectsData = shared !== undefined || tenants.length > 0;
    this.hasAdministrators = admin.keys.length > 0;
  }

  /** Whose this is; undefined when it is nobody's. */
  find(key: string): KeyHolder | undefined {
    const digest = hash('sha256', key, 'binary');
    const entry = this.#byDigest.get(digest);
    if (entry === undefined) return undefined;
    this.#scratch.latin1Write(digest, 0);
    return timingSafeEqual(this.#scratch, entry.digest) ? entry.holder : undefined;
  }

  #add(key: string, rights: Partial<KeyHolder>): void {
    const digest = hash('sha256', key, 'binary');
    const known = this.#byDigest.get(digest)?.holder;
    const holder: KeyHolder = { tenant: undefined, shared: false, administrator: undefined, ...known, ...rights };
    this.#byDigest.set(digest, { digest: Buffer.from(digest, 'binary'), holder });
  }
}
