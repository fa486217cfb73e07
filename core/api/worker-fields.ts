import * as z from 'zod';

/** See {@link WorkerRuntime}. */
export const WORKER_RUNTIMES = ['sglang', 'vllm', 'trtllm', 'mlx', 'tokenspeed', 'generic', 'external'] as const;

/** Schemes of workers that the design has and this version has not. */
const FUTURE_SCHEMES = ['grpc', 'grpcs', 'ipc', 'sim'];

/** A worker's URL in its one spelling, or what is wrong with it (a phrase that follows the name of the field). */
export type WorkerUrl = { readonly url: string } | { readonly problem: string };

/**
 * The one spelling of a worker's base URL, wherever it is named: `http://` or `https://`, host in lower case, default port
 * and trailing slash left out; may have a path, no credentials, no query.
 */
export function parseWorkerUrl(text: string): WorkerUrl {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1];
  if (scheme === undefined) return { problem: 'must be a URL that starts with http:// or https://' };
  if (FUTURE_SCHEMES.includes(scheme)) return { problem: `workers behind ${scheme}:// are not built yet` };
  if (scheme !== 'http' && scheme !== 'https') {
    return { problem: 'must start with http:// or https:// in lower case' };
  }
  if (!URL.canParse(text)) return { problem: 'is not a valid URL' };
  const { username, password, search, hash, origin, pathname } = new URL(text);
  if (username !== '' || password !== '') return { problem: 'must hold no user name or password: use api_key' };
  if (search !== '' || hash !== '') return { problem: 'must end before ? and #' };
  return { url: origin + pathname.replace(/\/+$/, '') };
}

/** Schemas of what a worker's record says, the same in the file, in the admin API and in lists of workers. No defaults. */
export const workerFields = {
  runtime: z.enum(WORKER_RUNTIMES),
  /** Any spelling: `canonicalProvider` has the one that is kept. */
  provider: z.string().min(1).max(64),
  /** See {@link ByokMode}. */
  byok: z.enum(['allow', 'require', 'deny']),
  priority: z
    .int()
    .min(0)
    .max(2 ** 32 - 1),
  cost: z.number().positive(),
  weight: z.number().min(0).max(1_000),
  labels: z.record(z.string(), z.string()),
  /** As text: whoever keeps it wraps it. */
  apiKey: z.string().min(1).max(4_096),
};
