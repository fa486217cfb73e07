import { z } from 'zod';
import { adminListenerSchema } from './listener.js';
import { duration } from './scalars.js';

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

/** Administration. */
export const adminSchema = z
  .strictObject({ listener: adminListenerSchema.optional(), reload: reloadSchema })
  .prefault({})
  .describe('Administration.');

/** The process. */
export const runtimeSchema = z
  .strictObject({
    shutdown: z
      .strictObject({
        grace: duration().prefault('180s').describe('Time for open requests when the process ends. Default 180s.'),
      })
      .prefault({})
      .describe('Ending.'),
  })
  .prefault({})
  .describe('The process.');
