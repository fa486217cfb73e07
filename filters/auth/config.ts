import * as z from 'zod';

/** What HTTP headers can carry without a space to be trimmed, quoted or lost. */
const VISIBLE_ASCII = /^[!-~]+$/;

/** A key as YAML gives it, kept out of every printed form and every message. */
const keySchema = z
  .string()
  .superRefine((key, context) => {
    const issue = (message: string): void => context.addIssue({ code: 'custom', message });
    if (key.trim() === '') issue('must not be empty');
    else if (key.trim() !== key) issue('must have no space around it');
    else if (!VISIBLE_ASCII.test(key)) issue('must be visible ASCII characters, as HTTP headers carry them');
  })
  .meta({ 'x-secret': true });

const nameSchema = z
  .string()
  .regex(/^(?!\s)[^\p{C}]{1,128}(?<!\s)$/u, 'must be 1 to 128 characters, none of them control, no space around it');

const tenantSchema = z.strictObject({
  id: nameSchema.describe('Name of the tenant in logs, metrics and limits. Not a secret. Two keys may share it.'),
  key: keySchema.describe('What the client sends.'),
});

const asLowerCase = (value: unknown): unknown => (typeof value === 'string' ? value.toLowerCase() : value);

const adminKeySchema = z.strictObject({
  id: nameSchema.describe('Unique; stands in the audit log. Not a secret.'),
  name: z.string().max(256).optional().describe('Whose it is, for people. Default: the id.'),
  role: z
    .preprocess(asLowerCase, z.enum(['admin', 'user']))
    .describe('`admin` may call everything, `user` may only read (GET).'),
  key: keySchema.describe('What the administrator sends.'),
});

const adminSchema = z.strictObject({
  keys: z
    .array(adminKeySchema)
    .default([])
    .describe('Keys of administration endpoints. With one, no key of clients opens them any more.'),
  audit: z
    .boolean()
    .default(true)
    .describe('Write one log record per call of an administration endpoint. Default true.'),
});

/** YAML of the filter. Without any key the filter is left out and the gateway is open. */
export const configSchema = z
  .strictObject({
    api_key: keySchema
      .optional()
      .describe('The shared key, tenant `default`. Opens administration endpoints too while `admin.keys` is empty.'),
    tenants: z.array(tenantSchema).default([]).describe('Keys of tenants. They never open administration endpoints.'),
    keys: z.array(tenantSchema).default([]).describe('Another spelling of `tenants`.'),
    admin: adminSchema.prefault({}).describe('Who may administrate.'),
  })
  .superRefine((settings, context) => {
    const issue = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const owners = new Map<string, string>();
    const claim = (key: string, owner: string, path: (string | number)[]): void => {
      const other = owners.get(key);
      if (other !== undefined) issue(path, `is the key of ${other} too: every key must be another one`);
      else owners.set(key, owner);
    };
    if (settings.api_key !== undefined) claim(settings.api_key, 'the shared api_key', ['api_key']);
    for (const list of ['tenants', 'keys'] as const) {
      settings[list].forEach(({ id, key }, index) => {
        claim(key, `the tenant "${id}"`, [list, index, 'key']);
      });
    }
    // A key of both planes is legal: it opens the one or the other by what is asked for.
    owners.clear();
    const ids = new Set<string>();
    settings.admin.keys.forEach(({ id, key }, index) => {
      if (ids.has(id)) issue(['admin', 'keys', index, 'id'], `the id "${id}" is used twice`);
      ids.add(id);
      claim(key, `the administrator "${id}"`, ['admin', 'keys', index, 'key']);
    });
  });

export type AuthSettings = z.output<typeof configSchema>;
