import * as z from 'zod';
import { duration } from '../duration.js';

export const configSchema = z.strictObject({
  path: z.string().min(1).describe('The list: JSON, or YAML where the name ends in .yaml or .yml.'),
  check_interval: duration(100).prefault('30s').describe('Period of a look beside file events. Default 30s.'),
  grace: duration(0).prefault('0s').describe('How long a worker that is gone from the list stays. Default 0s.'),
});

export type FileDiscoveryConfig = z.output<typeof configSchema>;
