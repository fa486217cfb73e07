import type { HeaderMap } from '../../../core/api/index.js';

export const VERSION_HEADER = 'anthropic-version';
export const BETA_HEADER = 'anthropic-beta';
/** Names of betas, nothing that could end a header. */
const BETA_NAME = /^[\w.-]+$/;

/** The caller's version of the API, else the configured one. */
export function versionHeader(headers: HeaderMap, configured: string): string {
  return headers.get(VERSION_HEADER) ?? configured;
}

/** The betas of the caller's header, its body and the settings, each once. Undefined: none. */
export function betaHeader(headers: HeaderMap, inBody: unknown, configured: readonly string[]): string | undefined {
  const names = new Set<string>();
  const add = (list: string): void => {
    for (const name of list.split(',')) if (BETA_NAME.test(name.trim())) names.add(name.trim());
  };
  for (const list of headers.getAll(BETA_HEADER)) add(list);
  for (const list of Array.isArray(inBody) ? inBody : [inBody]) if (typeof list === 'string') add(list);
  for (const name of configured) names.add(name);
  return names.size === 0 ? undefined : [...names].join(',');
}

export function allowsFiles(beta: string | undefined): boolean {
  return beta?.includes('files-api') === true;
}

/** Tokens of subscriptions are no keys: they stay bearer tokens. */
const TOKEN_PREFIX = 'sk-ant-oat';

/**
 * Leaves one credential, a key under the name that Anthropic's reference gives it. A bearer token counts only where there
 * is no key of that name.
 */
export function normaliseKey(headers: HeaderMap): void {
  const bearer = headers.get('authorization');
  if (bearer === undefined) return;
  const key = bearer.replace(/^bearer\s+/i, '').trim();
  const named = headers.has('x-api-key');
  if (!named && key.startsWith(TOKEN_PREFIX)) return;
  headers.delete('authorization');
  if (!named) headers.set('x-api-key', key);
}
