import * as z from 'zod';
import {
  addressKey,
  headerName,
  isNetwork,
  parseRate,
  plainAddress,
  type Rate,
  type TenantIdentitySettings,
} from '../../core/api/index.js';
import type { RateLimit } from './request-buckets.js';

/** `600/min` or `10/s`; `off` is undefined: no limit. */
const requests = z
  .string()
  .transform((text, context): Rate | undefined => {
    if (text.trim() === 'off') return undefined;
    const rate = parseRate(text.trim());
    if (rate !== undefined && rate.count > 0 && rate.count <= 1e9) return rate;
    context.addIssue({ code: 'custom', message: 'must be a rate above 0 like 10/s or 600/min, or off' });
    return z.NEVER;
  })
  .describe('Requests per time: `10/s`, `600/min`, `5000/h`, `20000/day`; `off` = no limit.');

const burst = z
  .int()
  .min(1)
  .max(1e9)
  .optional()
  .describe('Requests that may come at once. Default: those of one period, 600 of `600/min`.');

const limitSchema = z
  .strictObject({ requests, burst })
  .transform(({ requests: rate, burst: atOnce }): RateLimit | undefined => toLimit(rate, atOnce));

function toLimit(rate: Rate | undefined, atOnce: number | undefined): RateLimit | undefined {
  if (rate === undefined) return undefined;
  return { burst: atOnce ?? Math.max(1, Math.floor(rate.count)), intervalMs: rate.periodMs / rate.count };
}

const identitySchema = z
  .strictObject({
    header: z
      .strictObject({
        trust: z.boolean().default(false).describe('Believe that header. Default false.'),
        name: headerName()
          .prefault('x-smg-tenant-id')
          .describe('Header that names the tenant. Default x-smg-tenant-id.'),
      })
      .prefault({})
      .describe('Tenants of requests without a key of their own, named by what stands in front of the gateway.'),
    trusted_proxies: z
      .array(z.string().refine(isNetwork, 'is not an IP address or a network like 10.0.0.0/8'))
      .default([])
      .describe('Addresses and networks whose X-Forwarded-For is believed. Default: none.'),
  })
  .prefault({})
  .describe('Whose a request is, beside the key. Short form: the block `tenants`.');

/** YAML of the filter. Without any limit it is left out. */
export const configSchema = z
  .strictObject({
    by: z
      .enum(['tenant', 'address', 'global'])
      .default('tenant')
      .describe('What `requests` beside it counts: each tenant, each client address, all requests. Default tenant.'),
    requests: requests.optional(),
    burst,
    global: limitSchema.optional().describe('Limit of all requests together.'),
    address: limitSchema.optional().describe('Limit of each client address; IPv6 addresses count by /64.'),
    tenants: z
      .record(z.string(), limitSchema)
      .default({})
      .describe(
        'Limits by tenant: `auth:ID`, `header:VALUE`, `ip:ADDRESS`, `anonymous`; `default` for each other one.',
      ),
    identity: identitySchema,
    max_keys: z
      .int()
      .min(100)
      .max(10_000_000)
      .default(100_000)
      .describe(
        'Tenants and addresses that are remembered; the longest unused one is forgotten first. Default 100000.',
      ),
  })
  .superRefine((settings, context) => {
    const issue = (path: string[], message: string): void => context.addIssue({ code: 'custom', path, message });
    if (settings.burst !== undefined && settings.requests === undefined)
      issue(['burst'], 'has no effect without requests');
    const other = settings.by === 'tenant' ? settings.tenants.default : settings[settings.by];
    if (settings.requests !== undefined && other !== undefined) {
      issue(['requests'], `limits the same as ${settings.by === 'tenant' ? 'tenants.default' : settings.by}: keep one`);
    }
    for (const key of Object.keys(settings.tenants)) {
      const problem = tenantKeyProblem(key, settings.identity.header.trust);
      if (problem !== undefined) issue(['tenants', key], problem);
    }
  })
  .transform((settings): RateLimitSettings => {
    const { by, identity } = settings;
    const own = toLimit(settings.requests, settings.burst);
    const { default: others, ...listed } = settings.tenants;
    return {
      global: settings.global ?? (by === 'global' ? own : undefined),
      address: settings.address ?? (by === 'address' ? own : undefined),
      tenants: new Map(Object.entries(listed)),
      otherTenants: others ?? (by === 'tenant' ? own : undefined),
      identity: {
        header: identity.header.trust ? identity.header.name : undefined,
        trustedProxies: identity.trusted_proxies,
      },
      maxKeys: settings.max_keys,
    };
  });

/** The settings in force. */
export interface RateLimitSettings {
  readonly global: RateLimit | undefined;
  readonly address: RateLimit | undefined;
  /** By tenant key; undefined: that tenant has no limit. */
  readonly tenants: ReadonlyMap<string, RateLimit | undefined>;
  /** Of each tenant that is not listed. */
  readonly otherTenants: RateLimit | undefined;
  readonly identity: TenantIdentitySettings;
  readonly maxKeys: number;
}

/** Whether the settings limit anything. */
export function limitsAnything(settings: RateLimitSettings): boolean {
  return (
    settings.global !== undefined ||
    settings.address !== undefined ||
    settings.otherTenants !== undefined ||
    [...settings.tenants.values()].some((limit) => limit !== undefined)
  );
}

/** Why nobody would ever have this key; undefined when somebody may. */
function tenantKeyProblem(key: string, trustsHeader: boolean): string | undefined {
  if (key === 'default' || key === 'anonymous') return undefined;
  const [, kind, name = ''] = /^(auth|header|ip):(.*)$/s.exec(key) ?? [];
  if (kind === undefined)
    return `is not a tenant: write auth:${key} for the key of that id, or header:…, ip:…, anonymous`;
  if (name === '' || name !== name.trim()) return 'must name somebody, without a space around the name';
  if (kind === 'header' && !trustsHeader) return 'needs tenants.header.trust: true; the header is not believed';
  if (kind !== 'ip') return undefined;
  const address = plainAddress(name.replace(/\/64$/, ''));
  if (address === undefined) return 'is not an IP address';
  const canonical = addressKey(address);
  return canonical === name ? undefined : `addresses are counted as ip:${canonical}: write that`;
}
