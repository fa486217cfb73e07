import * as z from 'zod';
import { adminListenerSchema } from './listener.js';
import { duration, network } from './scalars.js';

const reloadSchema = z
  .strictObject({
    watch: z.boolean().default(true).describe('Reload when the file, an include or a $file: changes. Default true.'),
    debounce: duration(0, 60_000).prefault('250ms').describe('Quiet time before a reload. Default 250ms.'),
    poll: duration()
      .prefault('5s')
      .describe('Period of a look at the files, for mounts that report no changes; 0 = off. Default 5s.'),
  })
  .prefault({})
  .describe('When the file is read again. SIGHUP always does it.');

const adminWorkersSchema = z
  .strictObject({
    allow_networks: z
      .array(network())
      .optional()
      .describe(
        'Networks in which workers may be that are added at run time: [10.0.0.0/8]. Default: anywhere; [] = nowhere.',
      ),
  })
  .prefault({})
  .describe('Workers that are added at run time.');

/** Administration. */
export const adminSchema = z
  .strictObject({ listener: adminListenerSchema.optional(), reload: reloadSchema, workers: adminWorkersSchema })
  .prefault({})
  .describe('Administration.');

/** The process. */
export const runtimeSchema = z
  .strictObject({
    state_dir: z
      .string()
      .min(1)
      .optional()
      .describe('Folder in which workers of the admin API outlive a restart. Default: they do not.'),
    shutdown: z
      .strictObject({
        grace: duration()
          .prefault('180s')
          .describe('Time for open requests when the process ends, `settle` included; 0 = none. Default 180s.'),
        settle: duration()
          .prefault('5s')
          .describe(
            'How long an ending gateway, whose /readiness says so, still takes requests, so that balancers notice; at most ' +
              'half of `grace`. Default 5s.',
          ),
      })
      .prefault({})
      .describe('Ending.'),
    probes: z
      .strictObject({
        readiness_lag: duration()
          .prefault('5s')
          .describe(
            'A probe listener says not ready once the event loop is blocked for so long; 0 = never. Default 5s.',
          ),
        liveness_lag: duration()
          .prefault('30s')
          .describe(
            'A probe listener says not alive once the event loop is blocked for so long; 0 = never. Default 30s.',
          ),
      })
      .prefault({})
      .describe('What probe listeners say of a gateway that is busy.'),
  })
  .prefault({})
  .describe('The process.');
