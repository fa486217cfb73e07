import * as z from 'zod';
import { duration } from '../../../core/api/index.js';

const DAY_MS = 24 * 3_600_000;

export const configSchema = z.strictObject({
  path: z.string().min(1).describe('The list: JSON, or YAML where the name ends in .yaml or .yml.'),
  check_interval: duration(100, DAY_MS).prefault('30s').describe('Period of a look beside file events. Default 30s.'),
  grace: duration(0, DAY_MS).prefault('0s').describe('How long a worker that is gone from the list stays. Default 0s.'),
});

export type FileDiscoveryConfig = z.output<typeof configSchema>;
