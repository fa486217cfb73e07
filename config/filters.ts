import * as z from 'zod';
import { requestMatchSchema } from '../core/api/request-match.js';
import { resourceName } from './scalars.js';

/** Chains that `preset: NAME` stands for, top to bottom. Grows with the filters that exist. */
export const FILTER_PRESETS = {
  standard: [
    'request_id',
    'telemetry',
    'cors',
    'auth',
    'rate_limit',
    'admission',
    'inference',
    'model',
    'cost',
    'fallback',
    'retry',
    'policy',
    'credentials',
    'upstream',
  ],
  minimal: ['request_id', 'telemetry', 'inference', 'model', 'policy', 'credentials', 'upstream'],
  none: [],
} as const satisfies Record<string, readonly string[]>;

export type FilterPreset = keyof typeof FILTER_PRESETS;

/** Filters of the full design that do not exist yet: named in messages, so that nobody looks for a typing mistake. */
export const PLANNED_FILTERS: readonly string[] = ['budget', 'tool_parser', 'reasoning_parser', 'tokenizer', 'pd'];

/** Name of the filter in front of which new entries go when they follow a preset. */
export const INSERTION_ANCHOR = 'inference';
/** The terminal filter, appended when missing. */
export const TERMINAL_FILTER = 'upstream';

/** One entry of the chain as written. */
export const filterEntrySchema = z.strictObject({
  preset: z.enum(['standard', 'minimal', 'none']).optional().describe('Stands for a list of filters.'),
  name: resourceName().optional().describe('Unique name of this instance. Default: its type.'),
  type: z.string().optional().describe('Registered filter type. Default: its name.'),
  config: z.record(z.string(), z.unknown()).optional().describe('Settings of the filter, checked by its own schema.'),
  match: requestMatchSchema
    .optional()
    .describe(
      'Requests that it sees: every key must match, of a list one item is enough; `*` stands for anything, `!` in front excludes. Default: all.',
    ),
  before: z.string().optional().describe('Name of the filter in front of which it goes.'),
  after: z.string().optional().describe('Name of the filter behind which it goes.'),
  disabled: z.boolean().optional().describe('Leave it out. Default false.'),
});
