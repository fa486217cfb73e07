import { isIP } from 'node:net';
import * as z from 'zod';
import { duration } from '../../../core/api/index.js';

/** Labels of letters, digits, `-` and `_`, with or without the final dot. */
const NAME =
  /^(?=.{1,254}$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$/;

/** `127.0.0.1`, `127.0.0.1:53`, `[::1]:53`. */
function isServer(text: string): boolean {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)|([0-9A-Fa-f:]+:[0-9A-Fa-f:.]*))(?::(\d{1,5}))?$/.exec(text);
  return match !== null && isIP(match[1] ?? match[2] ?? match[3] ?? '') > 0 && Number(match[4] ?? 53) <= 65_535;
}

const DAY_MS = 24 * 3_600_000;

export const configSchema = z
  .strictObject({
    name: z
      .string()
      .regex(NAME, 'is not a DNS name')
      .refine((name) => isIP(name) === 0, 'is an address: write it under workers')
      .describe('Full name; search domains and /etc/hosts are not used.'),
    type: z
      .enum(['auto', 'a', 'aaaa', 'srv'])
      .default('auto')
      .describe(
        'Records. auto: srv for a name that begins with _, else a, and aaaa where there is none. Default auto.',
      ),
    port: z.int().min(1).max(65_535).optional().describe('Port of the workers; srv records bring their own.'),
    scheme: z.enum(['http', 'https']).optional().describe('Default: https where the cluster has tls, else http.'),
    refresh: duration(1_000, DAY_MS)
      .prefault('30s')
      .describe('Longest period of questions; addresses whose TTL is shorter are asked for sooner. Default 30s.'),
    resolver: z
      .string()
      .refine(isServer, 'is not an IP address with an optional port, like 10.0.0.10:53')
      .optional()
      .describe("Server to ask, `ip:port`. Default: the system's."),
    grace: duration(0, DAY_MS)
      .prefault('30s')
      .describe('How long a worker that is gone from the answers stays. Default 30s.'),
  })
  .superRefine(({ name, type, port }, context) => {
    const srv = type === 'srv' || (type === 'auto' && name.startsWith('_'));
    const problem = srv ? 'srv records bring their own ports' : 'is needed: only srv records have one';
    if (srv !== (port === undefined)) context.addIssue({ code: 'custom', path: ['port'], message: problem });
  });

export type DnsDiscoveryConfig = z.output<typeof configSchema>;
