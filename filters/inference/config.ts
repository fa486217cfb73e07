import * as z from 'zod';
import type { Clock } from '../../core/api/index.js';
import { JsonScanner, MAX_JSON_DEPTH } from '../../core/inference/json-scan.js';
import { BodyPool } from './body-pool.js';

const BYTE_UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
/** Offsets in a body stay 31-bit integers, and one body leaves room for a changed copy (a Buffer holds 4 GiB). */
const MAX_BODY_BYTES = 2 ** 30;

/** A size like `512MiB`, or a number of bytes. */
const byteSize = z.union([z.int(), z.string()]).transform((value, context): number => {
  const match = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB)$/.exec(typeof value === 'number' ? `${value}B` : value.trim());
  const bytes = match === null ? Number.NaN : Math.floor(Number(match[1]) * (BYTE_UNITS[match[2] as string] as number));
  if (bytes >= 1 && bytes <= MAX_BODY_BYTES) return bytes;
  context.addIssue({ code: 'custom', message: 'must be a size from 1B to 1GiB, like 512MiB' });
  return z.NEVER;
});

export const configSchema = z.strictObject({
  max_body: byteSize
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

  constructor(settings: InferenceSettings, clock: Clock) {
    this.maxBodyBytes = settings.max_body;
    this.scanner = new JsonScanner(settings.max_depth);
    this.clock = clock;
  }
}
