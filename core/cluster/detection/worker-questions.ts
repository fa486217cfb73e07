import type { Clock } from '../../api/clock.js';
import { GatewayError } from '../../api/errors.js';
import { providerRoot } from '../../api/provider.js';
import { type ControlClient, type FetchOptions, fetchResponse, isSuccess } from '../control-fetch.js';

/** Where and how one worker is asked. */
export interface QuestionTarget {
  readonly client: ControlClient;
  readonly clock: Clock;
  /** Base URL. */
  readonly url: string;
  /** Whose cloud API it is; undefined for engines. */
  readonly provider?: string | undefined;
  /** `maxBytes` bounds each answer. `timeoutMs` limits all questions of the attempt together. `signal` gives the attempt up. */
  readonly options: FetchOptions;
}

/** One answer. `value` is undefined unless it is 2xx with a JSON body. */
export interface WorkerAnswer {
  readonly status: number;
  readonly ok: boolean;
  readonly value: unknown;
}

/**
 * Why an attempt to learn about a worker failed, in words for operators: `models: status 401`, `health: connect refused`.
 * The only error of detection, beside the reason of an aborted signal. No URL and no key in it.
 */
export class DetectionError extends Error {
  override readonly name = 'DetectionError';

  /** `step`: what was asked for. */
  constructor(step: string, reason: string, options?: ErrorOptions) {
    super(`${step}: ${reason}`, options);
  }

  static from(step: string, error: unknown): DetectionError {
    if (error instanceof DetectionError) return error;
    return new DetectionError(step, failureReason(error), { cause: error });
  }
}

/** `connect refused` of `connect_refused`. */
export function failureReason(error: unknown): string {
  const { code, details } = GatewayError.from(error);
  return (details === '' ? code : details).replaceAll('_', ' ');
}

/**
 * Where a worker's own paths begin. A base URL may end in `/v1`, as vendors print it: `/health` and `/v1/models` do not
 * come below that.
 */
export function workerRoot({ url, provider }: Pick<QuestionTarget, 'url' | 'provider'>): string {
  return providerRoot(provider, url);
}

/** The questions of one attempt: all of them within one deadline. */
export class WorkerQuestions {
  readonly #target: QuestionTarget;
  readonly #root: string;
  readonly #deadlineMs: number;

  constructor(target: QuestionTarget) {
    this.#target = target;
    this.#root = workerRoot(target);
    this.#deadlineMs = target.clock.monotonicMs() + (target.options.timeoutMs ?? 10_000);
  }

  /** Any status is an answer. Throws DetectionError with the name of the step, or the reason of the aborted signal. */
  async ask(step: string, path: string): Promise<WorkerAnswer> {
    const { client, clock, options } = this.#target;
    const restMs = this.#deadlineMs - clock.monotonicMs();
    if (restMs <= 0) throw new DetectionError(step, 'control timeout');
    try {
      const { status, body } = await fetchResponse(client, this.#root + path, { ...options, timeoutMs: restMs });
      const ok = isSuccess(status);
      return { status, ok, value: ok ? parsed(body) : undefined };
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw DetectionError.from(step, error);
    }
  }

  /** Like `ask`, where no answer is as good as a refusal: undefined. */
  async tryAsk(step: string, path: string): Promise<WorkerAnswer | undefined> {
    try {
      return await this.ask(step, path);
    } catch (error) {
      if (error instanceof DetectionError) return undefined;
      throw error;
    }
  }

  /** Asks under the newer path, and where that does not exist (404) under the older one. */
  async tryEither(step: string, path: string, olderPath: string): Promise<WorkerAnswer | undefined> {
    const answer = await this.tryAsk(step, path);
    return answer?.status === 404 ? await this.tryAsk(step, olderPath) : answer;
  }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    // Not JSON: whoever needs a value says so, others only look at the status.
    return undefined;
  }
}
