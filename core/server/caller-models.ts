import { createHash } from 'node:crypto';
import { callerCredential, type OutgoingCredential } from '../api/caller-credential.js';
import type { Clock } from '../api/clock.js';
import type { RequestHeaders } from '../api/headers.js';
import { isPrivateHost } from '../api/private-host.js';
import { providerHeaders } from '../api/provider.js';
import type { ModelCard, Worker } from '../api/worker.js';
import type { ControlClient } from '../cluster/control-fetch.js';
import { detectWorker } from '../cluster/detection/detect-worker.js';

/** How long a provider's answer for one key is kept, ms; one that failed shorter. */
const KEPT_MS = 60_000;
const KEPT_FAILED_MS = 5_000;
/** Answers kept, over all keys; the oldest goes. */
const MAX_KEPT = 1_000;
/** Questions at once; further callers see what is known without asking. */
const MAX_ASKING = 16;
const TIMEOUT_MS = 5_000;

interface KeptList {
  readonly cards: Promise<readonly ModelCard[]>;
  untilMs: number;
}

/**
 * What providers list for the keys of callers: asked of the provider that the key is meant for and of no other, once a
 * minute and key, however many callers wait. Keys are kept as hashes.
 */
export class CallerModels {
  readonly #client: ControlClient;
  readonly #clock: Clock;
  readonly #kept = new Map<string, KeptList>();
  #asking = 0;

  constructor(client: ControlClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Never rejects: a provider that does not answer lists nothing. */
  async list(worker: Worker, headers: RequestHeaders): Promise<readonly ModelCard[]> {
    if (worker.byok === 'deny' || !mayGetKeys(worker)) return [];
    const credential = callerCredential(headers, worker.provider);
    if (typeof credential === 'string') return [];
    const key = createHash('sha256').update(`${worker.id}\n${credential.name}\n${credential.value}`).digest('base64');
    const nowMs = this.#clock.monotonicMs();
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.untilMs > nowMs) return await kept.cards;
    if (this.#asking >= MAX_ASKING) return [];
    const asked: KeptList = { cards: this.#ask(worker, credential), untilMs: nowMs + KEPT_MS };
    this.#kept.delete(key);
    this.#kept.set(key, asked);
    if (this.#kept.size > MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value as string);
    const cards = await asked.cards;
    if (cards.length === 0) asked.untilMs = Math.min(asked.untilMs, this.#clock.monotonicMs() + KEPT_FAILED_MS);
    return cards;
  }

  async #ask(worker: Worker, { name, value }: OutgoingCredential): Promise<readonly ModelCard[]> {
    this.#asking += 1;
    try {
      const { cards } = await detectWorker({
        client: this.#client,
        clock: this.#clock,
        url: worker.url,
        provider: worker.provider,
        runtime: 'external',
        models: [],
        options: {
          timeoutMs: TIMEOUT_MS,
          tls: worker.tls,
          headers: { ...providerHeaders(worker.provider), [name]: value },
        },
      });
      return cards;
    } catch {
      // Wrong key, or not there: the caller sees it from its next request.
      return [];
    } finally {
      this.#asking -= 1;
    }
  }
}

/** As `credentials` sees it: no key without TLS outside of one's own network. */
function mayGetKeys({ url }: Worker): boolean {
  return url.startsWith('https:') || isPrivateHost(new URL(url).hostname);
}
