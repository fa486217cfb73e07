import * as z from 'zod';
import { byteSize, type Clock, type Counter, type Family, type StatsScope } from '../../core/api/index.js';
import { JsonScanner, MAX_JSON_DEPTH } from '../../core/inference/json-scan.js';
import { BodyPool } from './body-pool.js';

/** Offsets in a body stay 31-bit integers, and one body leaves room for a changed copy (a Buffer holds 4 GiB). */
const MAX_BODY_BYTES = 2 ** 30;

export const configSchema = z.strictObject({
  max_body: byteSize(1, MAX_BODY_BYTES)
    .prefault('1GiB')
    .describe('Largest request body; above it 413. Default 1GiB, so that the limit of the listener rules.'),
  max_depth: z
    .int()
    .min(8)
    .max(10_000)
    .default(MAX_JSON_DEPTH)
    .describe('Deepest nesting of objects and arrays in a request. Default 512.'),
});

export type InferenceSettings = z.output<typeof configSchema>;

/** What the streams of one generation share. */
export class InferenceFilterConfig {
  readonly maxBodyBytes: number;
  readonly scanner: JsonScanner;
  readonly bodies = new BodyPool();
  readonly clock: Clock;
  /** Parts of answers that the client's dialect has no place for, by api. */
  readonly droppedDeltas: Family<Counter>;

  constructor(settings: InferenceSettings, clock: Clock, stats: StatsScope) {
    this.maxBodyBytes = settings.max_body;
    this.scanner = new JsonScanner(settings.max_depth);
    this.clock = clock;
    this.droppedDeltas = stats.counter({
      name: 'smg_inference_dropped_deltas_total',
      help: 'Parts of translated answers that the dialect of the client has no place for',
      labels: ['api'],
    });
  }
}
