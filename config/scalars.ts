import { isIP } from 'node:net';
import * as z from 'zod';
import { parsedText } from '../core/api/config-scalars.js';
import { parseWorkerUrl } from '../core/api/worker-fields.js';
import { Secret } from './secret.js';

export * from '../core/api/config-scalars.js';

/** TCP port, 0 to 65535; 0 lets the system choose one, which is logged. */
export function port() {
  return z.int().min(0).max(65_535);
}

/** Address to listen on: a name, IPv4, IPv6 with or without brackets. */
export function host() {
  const parse = (text: string): string | undefined => {
    const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
    if (/^[0-9a-f:.%a-z]*$/i.test(bare) && bare.includes(':'))
      return /^[0-9a-f:.]+(?:%\w+)?$/i.test(bare) ? bare : undefined;
    return /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/.test(bare) ? bare : undefined;
  };
  return parsedText(parse, 'is not a host name or an IP address');
}

/** Network in CIDR form (`10.0.0.0/8`, `fd00::/8`), or one IP address. */
export function network() {
  const parse = (text: string): string | undefined => {
    const match = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text);
    const family = isIP(match?.[1] ?? '');
    const bits = Number(match?.[2] ?? 0);
    return family === 0 || bits > (family === 4 ? 32 : 128) ? undefined : text;
  };
  return parsedText(parse, 'is not a network like 10.0.0.0/8 or fd00::/8, nor an IP address');
}

/** Base URL of a worker; see {@link parseWorkerUrl}. */
export function workerUrl() {
  return z
    .string()
    .transform((text, context): string => {
      const parsed = parseWorkerUrl(text);
      if ('url' in parsed) return parsed.url;
      context.addIssue({ code: 'custom', message: parsed.problem });
      return z.NEVER;
    })
    .meta({ format: 'uri' });
}

/** Non-empty text that is never shown. */
export function secret() {
  return z
    .string()
    .min(1, 'must not be empty')
    .transform((text) => new Secret(text))
    .meta({ 'x-secret': true });
}

/** Name of a listener, cluster, route, policy or filter: letters, digits, `_`, `-`, `.`; 1 to 64. */
export function resourceName() {
  return z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, 'must be 1 to 64 letters, digits, _, - or .');
}

/** `off` (also `false`), or what `schema` takes. */
export function offOr<T extends z.ZodType>(schema: T) {
  const asOff = (value: unknown): unknown => (value === false ? 'off' : value);
  return z.preprocess(asOff, z.union([z.literal('off'), schema]));
}
