import { LineCounter, parseDocument } from 'yaml';
import * as z from 'zod';
import { type DiscoveredWorker, parseWorkerUrl, workerFields } from '../../../core/api/index.js';

/** A list that is refused as a whole. The message is for the log: it names places, never values. */
export class WorkerListError extends Error {
  override readonly name = 'WorkerListError';
}

const entrySchema = z.strictObject({
  id: z.string().min(1).optional(),
  url: z.string().min(1),
  worker_type: z.enum(['regular']).optional(),
  model_id: z.string().min(1).optional(),
  models: z.array(z.string().min(1)).optional(),
  runtime: workerFields.runtime.optional(),
  priority: workerFields.priority.optional(),
  cost: workerFields.cost.optional(),
  weight: workerFields.weight.optional(),
  labels: workerFields.labels.optional(),
  api_key: workerFields.apiKey.optional(),
});

const listSchema = z.strictObject({ version: z.literal(1), workers: z.array(z.unknown()) });

/** Keys of SMG's format for what is not built. */
const NOT_BUILT = ['bootstrap_port', 'kv_connector', 'kv_role', 'kv_engine_id'];

/**
 * Reads a list of version 1. Strict: an unknown key, another version or one bad worker refuses all of it, so that half a
 * list is never taken for the whole. Throws WorkerListError.
 */
export function parseWorkerList(text: string, format: 'json' | 'yaml'): DiscoveredWorker[] {
  const document = format === 'yaml' ? fromYaml(text) : fromJson(text);
  const list = check(listSchema, document, '');
  const seen = new Map<string, number>();
  return list.workers.map((value, index) => {
    const worker = parseEntry(value, `workers[${index}]`);
    const first = seen.get(worker.url);
    if (first !== undefined) throw new WorkerListError(`workers[${index}].url: the same as of workers[${first}]`);
    seen.set(worker.url, index);
    return worker;
  });
}

function parseEntry(value: unknown, at: string): DiscoveredWorker {
  // A null says "not given", as SMG reads it.
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  const entry = isMap ? Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null)) : value;
  if (isMap) {
    const missing = NOT_BUILT.find((key) => key in (entry as object));
    if (missing !== undefined) {
      throw new WorkerListError(`${at}.${missing}: disaggregated prefill and decode is not built yet`);
    }
  }
  const { worker_type, model_id, models, api_key, ...rest } = check(entrySchema, entry, at);
  if (model_id !== undefined && models !== undefined) {
    throw new WorkerListError(`${at}.models: stands beside model_id; one of them says it`);
  }
  return {
    ...rest,
    url: parseUrl(rest.url, at),
    workerType: worker_type,
    models: model_id === undefined ? models : [model_id],
    apiKey: api_key,
  };
}

/** A bare `host:port` stays one: its cluster knows the scheme. */
function parseUrl(text: string, at: string): string {
  const bare = !text.includes('://');
  const parsed = parseWorkerUrl(bare ? `http://${text}` : text);
  if ('problem' in parsed) throw new WorkerListError(`${at}.url: ${parsed.problem}`);
  return bare ? text.replace(/\/+$/, '') : parsed.url;
}

function check<T extends z.ZodType>(schema: T, value: unknown, at: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.slice(0, 3).map((issue) => {
    const path = [at, ...issue.path.map(String)].filter((step) => step !== '').join('.');
    const place = path === '' ? '' : `${path}: `;
    if (issue.code === 'unrecognized_keys') return `${place}unknown key ${issue.keys.join(', ')}`;
    if (path === 'version') return 'version: must be 1';
    if (path.endsWith('.worker_type')) return `${place}only regular is built yet`;
    return place + issue.message;
  });
  throw new WorkerListError(problems.join('; '));
}

/** The parser's own message repeats a piece of the text, which may hold a key. */
function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const place = /at position \d+/.exec((error as Error).message)?.[0];
    throw new WorkerListError(
      text.trim() === '' ? 'is empty' : `is not valid JSON${place === undefined ? '' : ` ${place}`}`,
    );
  }
}

function fromYaml(text: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' });
  const [error] = document.errors;
  if (error === undefined) return document.toJS();
  const { line, col } = lines.linePos(error.pos[0]);
  throw new WorkerListError(`is not valid YAML at line ${line}, column ${col}`);
}
