import { isIPv4 } from 'node:net';
import * as z from 'zod';
import { byteSize, duration, host, port, resourceName } from './scalars.js';
import { serverTlsSchema } from './tls.js';

const limitsSchema = z
  .strictObject({
    body: byteSize(1).prefault('512MiB').describe('Largest request body; above it 413. Default 512MiB.'),
    header: byteSize(1024, 16 * 2 ** 20)
      .prefault('64KiB')
      .describe('Largest request head; above it 431. Default 64KiB.'),
    header_count: z.int().min(1).max(10_000).default(200).describe('Most header lines of a request. Default 200.'),
    head_timeout: duration().prefault('30s').describe('Time in which a head must be complete; 0 = none. Default 30s.'),
    body_stall_timeout: duration()
      .prefault('60s')
      .describe('Longest time in which a request body makes no progress, then 408; 0 = none. Default 60s.'),
    write_stall_timeout: duration()
      .prefault('5m')
      .describe('Longest time in which a client takes nothing of its response, then it is cut; 0 = none. Default 5m.'),
    idle_timeout: duration()
      .prefault('90s')
      .describe('Life of a connection without a request; 0 = for ever. Default 90s.'),
  })
  .prefault({})
  .describe('What one client may use.');

/** One socket that clients connect to. */
export const listenerSchema = z.strictObject({
  kind: z
    .enum(['http', 'probe'])
    .default('http')
    .describe(
      '`http`: the gateway itself. `probe`: /liveness, /readiness and /health only, in clear text, from a thread of its ' +
        'own that answers while the gateway is busy. Default http.',
    ),
  name: resourceName().describe('Unique; used in logs, metrics and matches. Default `main`, then `listener_2`, …'),
  host: host().prefault('0.0.0.0').describe('Name or IP address to listen on. Default 0.0.0.0.'),
  port: port().default(30_000).describe('TCP port; 0 lets the system choose. Default 30000.'),
  tls: serverTlsSchema.optional(),
  limits: limitsSchema,
});

/** Administration on a socket of its own. */
export const adminListenerSchema = z
  .strictObject({
    host: host().prefault('127.0.0.1').describe('Name or IP address to listen on. Default 127.0.0.1.'),
    port: port().default(30_001).describe('TCP port; 0 lets the system choose. Default 30001.'),
    tls: serverTlsSchema.optional(),
    limits: limitsSchema,
  })
  .describe('Administration endpoints on a socket of their own, named `admin`; the other listeners lack them then.');

/** Name of the administration listener in logs, metrics and matches. */
export const ADMIN_LISTENER = 'admin';

export type ListenerConfig = z.output<typeof listenerSchema>;

/** Whether only this machine can reach what listens on `address`. A name other than `localhost` could be any address. */
export function isLoopback(address: string): boolean {
  const text = address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  return isIPv4(text) ? text.startsWith('127.') : text === '::1' || text === 'localhost';
}
