import type { StreamInfo } from '../../core/api/index.js';

/** Label when the request named no model. */
export const UNKNOWN_MODEL = 'unknown';
/** Label of a model that is not served here, or came too late to get a label of its own. */
export const OTHER_MODEL = 'other';

/**
 * Decides which model names become label values. Clients choose the names, so a name is admitted only once a worker that
 * lists it was tried or answered it well, and only the first `max` of them. Admitted names stay.
 */
export class ModelLabels {
  readonly #max: number;
  readonly #admitted = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Label for the model of a request that has ended. */
  labelOf(streamInfo: StreamInfo): string {
    const model = streamInfo.inference?.model;
    if (model === undefined) return UNKNOWN_MODEL;
    if (this.#admitted.has(model)) return model;
    if (this.#admitted.size >= this.#max || !isServed(streamInfo, model)) return OTHER_MODEL;
    this.#admitted.add(model);
    return model;
  }
}

function isServed(streamInfo: StreamInfo, model: string): boolean {
  for (const { worker, status } of streamInfo.attempts) {
    if ((status >= 200 && status < 400) || worker.models.includes(model)) return true;
  }
  return false;
}
