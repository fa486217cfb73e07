import * as z from 'zod';
import { unbuiltProvider } from '../../api/provider.js';
import { parseWorkerUrl, WORKER_RUNTIMES, workerFields } from '../../api/worker-fields.js';

/**
 * A worker as POST and PUT /workers take it: SMG's record (spelling of SMG 1.13), with `cluster`, `weight` and `backend` of
 * our own. What the gateway cannot do with a worker is refused by name; nothing is taken and then forgotten.
 */

const seconds = (max = 86_400) => z.number().positive().max(max);
const count = z.int().min(1).max(1_000);

const modelCardSchema = z.looseObject({
  id: z.string().min(1),
  aliases: z.array(z.string().min(1)).optional(),
});

const healthSchema = z.strictObject({
  check_interval_secs: seconds().optional(),
  timeout_secs: seconds().optional(),
  success_threshold: count.optional(),
  failure_threshold: count.optional(),
  disable_health_check: z.boolean().optional(),
  drain_settle_secs: z.number().min(0).max(86_400).optional(),
});

const poolSchema = z.strictObject({
  pool_idle_timeout_secs: z.number().min(0).max(86_400).optional(),
  pool_max_connections: z.int().min(1).max(100_000).optional(),
});

const statuses = z.array(z.int().min(100).max(599)).max(500);

/** What a worker wants other than its cluster, of its circuit breaker. */
const resilienceSchema = z.strictObject({
  cb_failure_threshold: count.optional(),
  cb_success_threshold: count.optional(),
  cb_timeout_secs: seconds().optional(),
  cb_window_secs: seconds().optional(),
  disable_circuit_breaker: z.boolean().optional(),
  retryable_status_codes: statuses.optional(),
  capacity_status_codes: statuses.optional(),
});

const overloadSchema = z.strictObject({
  waiting_requests: z.int().min(1).max(1_000_000).optional(),
  token_usage: z.number().positive().max(1).optional(),
});

/** What may be changed later without sending the whole record. */
const changeable = {
  priority: workerFields.priority.optional(),
  cost: workerFields.cost.optional(),
  weight: workerFields.weight.optional(),
  api_key: workerFields.apiKey.optional(),
  health: healthSchema.optional(),
};

const recordSchema = z.strictObject({
  ...changeable,
  url: z.string(),
  cluster: z.string().optional(),
  runtime: z.enum([...WORKER_RUNTIMES, 'unspecified']).optional(),
  provider: workerFields.provider.optional(),
  byok: workerFields.byok.optional(),
  worker_type: z.enum(['regular']).optional(),
  connection_mode: z.enum(['http']).optional(),
  backend: z.string().optional(),
  models: z.array(z.union([z.string().min(1), modelCardSchema])).optional(),
  labels: workerFields.labels.optional(),
  http_pool: poolSchema.optional(),
  resilience: resilienceSchema.optional(),
  overload: overloadSchema.optional(),
  load_monitor_interval_secs: z.int().min(1).max(86_400).optional(),
});

const patchSchema = z.strictObject({ ...changeable, labels: z.record(z.string(), z.string().nullable()).optional() });

/** One model of a record. */
export type ModelCard = z.output<typeof modelCardSchema>;

/** A complete record. `api_key` is secret. */
export interface WorkerRecord extends Omit<z.output<typeof recordSchema>, 'models'> {
  readonly models: readonly ModelCard[];
}

/** A change of some fields. A label that is null is deleted. */
export type WorkerPatch = z.output<typeof patchSchema>;

/** Answered with 400; names the field. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
}

/** Fields of SMG's record for what is not built: known, and refused by name. */
const NOT_BUILT: Readonly<Record<string, string>> = {
  bootstrap_port: 'disaggregated prefill and decode',
  kv_connector: 'disaggregated prefill and decode',
  kv_role: 'disaggregated prefill and decode',
  kv_engine_id: 'disaggregated prefill and decode',
  kv_block_size: 'event-driven cache-aware routing',
  dp_size: 'a number of ranks (it is asked for; else set the label dp_size)',
  dp_rank: 'a worker that is one rank (the engine is the worker, see dp.aware of the cluster)',
  dp_base_url: 'a worker that is one rank (the engine is the worker, see dp.aware of the cluster)',
  max_connection_attempts: 'a limit of connection attempts (workers are tried until they answer or are removed)',
  multimodal_tensor_transport: 'multimodal processing',
  multimodal_shm_min_bytes: 'multimodal processing',
  zmq_handshake_address: 'ipc:// workers',
};

/** Of SMG's `resilience` block: a request is retried on several workers, so that none of them can say how often. */
const RETRY_FIELDS = [
  'max_retries',
  'initial_backoff_ms',
  'max_backoff_ms',
  'backoff_multiplier',
  'jitter_factor',
  'disable_retry',
];

/** Throws RecordError. */
export function parseRecord(body: Buffer): WorkerRecord {
  const { runtime_type: alias, ...fields } = parseObject(body);
  if (alias !== undefined && fields.runtime !== undefined && alias !== fields.runtime) {
    throw new RecordError('runtime: differs from its alias runtime_type');
  }
  refuseRetryFields(fields.resilience);
  const { models = [], ...record } = check(recordSchema, {
    ...fields,
    ...(alias === undefined ? {} : { runtime: alias }),
  });
  const cards = models.map((model): ModelCard => (typeof model === 'string' ? { id: model } : model));
  const url = normalizeUrl(record.url);
  const unbuilt = unbuiltProvider(record.provider, url);
  if (unbuilt !== undefined) throw new RecordError(`provider: ${unbuilt.problem}`);
  return { ...record, url, models: cards };
}

/** Throws RecordError. */
export function parsePatch(body: Buffer): WorkerPatch {
  return check(patchSchema, parseObject(body));
}

/** {@link parseWorkerUrl} that throws RecordError. */
export function normalizeUrl(text: string): string {
  const parsed = parseWorkerUrl(text);
  if ('problem' in parsed) throw new RecordError(`url: ${parsed.problem}`);
  return parsed.url;
}

function refuseRetryFields(resilience: unknown): void {
  if (typeof resilience !== 'object' || resilience === null) return;
  for (const name of RETRY_FIELDS) {
    if (name in resilience) {
      throw new RecordError(`resilience.${name}: a worker has no retry settings of its own; resilience.retry has them`);
    }
  }
}

function parseObject(body: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new RecordError(`JSON syntax error: ${body.length === 0 ? 'the body is empty' : (error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RecordError('Invalid JSON data: the body must be an object');
  }
  // A null says "not given", as SMG reads it.
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null));
}

function check<T extends z.ZodType>(schema: T, fields: Record<string, unknown>): z.output<T> {
  for (const [name, feature] of Object.entries(NOT_BUILT)) {
    if (name in fields) throw new RecordError(`${name}: ${feature} is not built yet`);
  }
  const result = schema.safeParse(fields);
  if (result.success) return result.data;
  const problems = result.error.issues.map(describeIssue);
  throw new RecordError(`Invalid JSON data: ${problems.join('; ')}`);
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${path === '' ? '' : `${path}.`}${key}: unknown field`).join('; ');
  }
  if (path === 'worker_type') return 'worker_type: only regular is built yet';
  if (path === 'connection_mode') return 'connection_mode: only http is built yet';
  return `${path}: ${issue.message}`;
}
