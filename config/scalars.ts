import { isIP } from 'node:net';
import * as z from 'zod';
import { parsedText } from '../core/api/config-scalars.js';
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

const FUTURE_SCHEMES = ['grpc', 'grpcs', 'ipc', 'sim'];

/** Base URL of a worker, `http://` or `https://`, without trailing slash; may have a path, no credentials, no query. */
export function workerUrl() {
  return z
    .string()
    .transform((text, context): string => {
      const problem = workerUrlProblem(text);
      if (problem === undefined) return text.replace(/\/+$/, '');
      context.addIssue({ code: 'custom', message: problem });
      return z.NEVER;
    })
    .meta({ format: 'uri' });
}

function workerUrlProblem(text: string): string | undefined {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1];
  if (scheme === undefined) return 'must be a URL that starts with http:// or https://';
  if (FUTURE_SCHEMES.includes(scheme)) return `workers behind ${scheme}:// are not built yet`;
  if (scheme !== 'http' && scheme !== 'https') return 'must start with http:// or https:// in lower case';
  if (!URL.canParse(text)) return 'is not a valid URL';
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'must hold no user name or password: use api_key';
  if (url.search !== '' || url.hash !== '') return 'must end before ? and #';
  return undefined;
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
