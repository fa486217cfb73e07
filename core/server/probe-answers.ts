import type { ProbeBoard } from './probe-board.js';

/** Workers that can serve something now, of all that are there for it. */
export interface WorkerCount {
  readonly healthy: number;
  readonly total: number;
}

/** Workers by model; plain data, so that it can be sent to another thread. */
export interface ModelReadiness {
  /** Under every name that clients may use, aliases included. */
  readonly models: ReadonlyMap<string, WorkerCount>;
  /** Workers that take models which nobody names. */
  readonly others: WorkerCount;
}

/** Status and body of one probe. */
export interface ProbeAnswer {
  readonly status: 200 | 503;
  readonly body: object | string;
}

/** Names of models in one answer. */
const MAX_NAMES = 100;

/** `/liveness` and `/health` of the thread that serves clients: whoever can ask it knows that it lives. */
export const ALIVE: ProbeAnswer = { status: 200, body: 'OK' };

/** `/liveness` and `/health` as another thread sees it: not alive once its event loop is blocked for too long. */
export function livenessAnswer(board: ProbeBoard): ProbeAnswer {
  const limitMs = board.livenessLagMs;
  if (limitMs > 0 && board.loopLagMs >= limitMs) return { status: 503, body: 'event loop blocked' };
  return ALIVE;
}

/**
 * `/readiness`, of the gateway or of one model. Draining goes first; then an event loop that is blocked, which only
 * another thread can tell; then workers. `namesModels`: whether models without a healthy worker are listed, which is for
 * networks where the names are no secret.
 */
export function readinessAnswer(
  board: ProbeBoard,
  table: ModelReadiness,
  model: string | undefined,
  namesModels: boolean,
): ProbeAnswer {
  board.markAsked();
  const lagMs = board.loopLagMs;
  const lag = { loop_lag_ms: lagMs };
  if (board.draining) return { status: 503, body: { status: 'not ready', reason: 'draining' } };
  if (board.readinessLagMs > 0 && lagMs >= board.readinessLagMs) {
    return { status: 503, body: { status: 'not ready', reason: 'event loop blocked', ...lag } };
  }
  const scope = model === undefined ? {} : { model: model.slice(0, 200) };
  const { healthy, total } = model === undefined ? countOf(board) : (table.models.get(model) ?? table.others);
  const counts = { healthy_workers: healthy, total_workers: total, ...lag };
  if (healthy > 0) {
    const missing = namesModels && model === undefined ? { models_not_ready: namesOf(table) } : {};
    return { status: 200, body: { status: 'ready', ...scope, ...counts, ...missing } };
  }
  const reason = model !== undefined && total === 0 ? 'no worker serves this model' : 'insufficient healthy workers';
  // Those are worth waiting for; the others were up, or are late.
  const starting = model === undefined ? { starting_workers: board.startingWorkers } : {};
  return { status: 503, body: { status: 'not ready', reason, ...scope, ...counts, ...starting } };
}

function countOf(board: ProbeBoard): WorkerCount {
  return { healthy: board.healthyWorkers, total: board.totalWorkers };
}

function namesOf({ models }: ModelReadiness): string[] {
  const names: string[] = [];
  for (const [name, { healthy }] of models) {
    if (healthy > 0) continue;
    names.push(name);
    if (names.length === MAX_NAMES) break;
  }
  return names;
}
