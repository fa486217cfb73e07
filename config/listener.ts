import { z } from 'zod';
import { byteSize, duration, host, port, resourceName } from './scalars.js';
import { Secret } from './secret.js';

function pem(what: RegExp, kind: string) {
  return z.string().superRefine((text, context) => {
    if (what.test(text)) return;
    const hint = 'to read it from a file write $file:/path';
    context.addIssue({ code: 'custom', message: `is not a PEM ${kind}; ${hint}` });
  });
}

const tlsSchema = z
  .strictObject({
    cert: pem(/-----BEGIN CERTIFICATE-----/, 'certificate').describe('Certificate chain, PEM. Usually $file:/path.'),
    key: pem(/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/, 'private key')
      .transform((text) => new Secret(text))
      .meta({ 'x-secret': true })
      .describe('Private key, PEM. Usually $file:/path.'),
  })
  .describe('Serve TLS. HTTP/2 and HTTP/1.1 are negotiated by ALPN.');

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
  name: resourceName().describe('Unique; used in logs, metrics and matches. Default `main`, then `listener_2`, …'),
  host: host().prefault('0.0.0.0').describe('Name or IP address to listen on. Default 0.0.0.0.'),
  port: port().default(30_000).describe('TCP port; 0 lets the system choose. Default 30000.'),
  tls: tlsSchema.optional(),
  limits: limitsSchema,
});

export type ListenerConfig = z.output<typeof listenerSchema>;
