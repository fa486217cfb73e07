import * as z from 'zod';
import { headerName } from '../../core/api/index.js';

/** Header name, or a prefix that ends in `*`. */
const headerPattern = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'+.^_`|~-]*\*?$/, 'is not a header name or a prefix ending in *')
  .min(1, 'must not be empty')
  .transform((name) => name.toLowerCase());

/** `*`, or exactly what browsers send as `Origin`: scheme, host, port unless it is the scheme's own. No path, no slash. */
const origin = z.string().superRefine((text, context) => {
  if (text === '*') return;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && originOf(url) === text) return;
  const message =
    url === undefined || url.host === ''
      ? 'is not an origin like https://app.example.com'
      : `is not an origin: write ${originOf(url)}`;
  context.addIssue({ code: 'custom', message, params: { showValue: true } });
});

/** `URL.origin`, also for schemes of which browsers make opaque origins in pages but real ones in apps. */
function originOf(url: URL): string {
  return url.origin === 'null' ? `${url.protocol}//${url.host}` : url.origin;
}

/** YAML of the filter. Without `allow_origins` the filter is left out: no CORS at all. */
export const configSchema = z
  .strictObject({
    allow_origins: z
      .array(origin)
      .default([])
      .describe('Origins whose pages may call the gateway, or `*` alone for any. Default none.'),
    allow_methods: z
      .array(z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']))
      .min(1)
      .default(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
      .describe('Methods that they may use.'),
    allow_headers: z
      .array(headerPattern)
      .optional()
      .describe(
        'Request headers that they may send; `*` any, `x-my-*` a prefix. Default: those of the SDKs; any with `*`.',
      ),
    expose_headers: z
      .array(headerName())
      .default([
        'x-request-id',
        'x-smg-error-code',
        'x-smg-routed-worker-id',
        'retry-after',
        'x-should-retry',
        'traceparent',
        'tracestate',
      ])
      .describe('Response headers that scripts may read.'),
    allow_credentials: z.boolean().default(false).describe('May pages send cookies? Not with `*`. Default false.'),
    max_age_seconds: z
      .int()
      .min(0)
      .max(86_400)
      .default(3600)
      .describe('How long browsers keep a preflight. Default 3600.'),
  })
  .superRefine((settings, context) => {
    const any = settings.allow_origins.includes('*');
    if (any && settings.allow_origins.length > 1) {
      context.addIssue({ code: 'custom', path: ['allow_origins'], message: '`*` must stand alone' });
    }
    if (any && settings.allow_credentials) {
      context.addIssue({
        code: 'custom',
        path: ['allow_credentials'],
        message: 'cannot be combined with `*` as origin',
      });
    }
  });

export type CorsSettings = z.output<typeof configSchema>;
