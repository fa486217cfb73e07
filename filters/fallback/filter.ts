import {
  type Attempt,
  AttemptAnswer,
  type AttemptOutput,
  type AttemptOwner,
  BugError,
  type Cluster,
  enterCluster,
  FilterHeadersStatus,
  FilterTrailersStatus,
  GatewayError,
  type InferenceRequest,
  type Releasable,
  type RequestHeaders,
  type ResponseHeaders,
  removeUnboundKey,
  type StreamFilter,
  type StreamFilterCallbacks,
  type Timer,
} from '../../core/api/index.js';
import { type FallbackReason, isUnasked } from './conditions.js';
import type { FallbackFilterConfig, FallbackPlan, FallbackTarget } from './config.js';
import { RenamingOutput } from './shown-model.js';

/** Which clusters were asked, in order, and how each answered. */
const ATTEMPTS_HEADER = 'x-smg-attempts';

/** What is remembered of a cluster that was asked. */
interface Turn {
  readonly cluster: Cluster;
  readonly model: string | undefined;
  /** Index of its first entry in `streamInfo.attempts`. */
  readonly firstAttempt: number;
  readonly answer: AttemptAnswer;
  /** A status or a reason; undefined while it is being asked. */
  outcome: string | undefined;
}

/**
 * Runs the filters below once per cluster until one has an answer worth passing on. All decisions fall on the head of an
 * answer, on the error in its place, or, with a limit for the first token, on the first piece of content: once a head
 * went down, no other cluster is asked.
 */
export class FallbackFilter implements StreamFilter, AttemptOwner, Releasable {
  readonly #shared: FallbackFilterConfig;
  readonly #callbacks: StreamFilterCallbacks;
  /** Untouched by turns, which get copies. */
  #headers: RequestHeaders | undefined = undefined;
  #request: InferenceRequest | undefined = undefined;
  #plan: FallbackPlan | undefined = undefined;
  #nextTarget = 0;
  readonly #turns: Turn[] = [];
  #firstToken: Timer | undefined = undefined;
  /** The last answer of a worker that was not good enough. */
  #setAside: Turn | undefined = undefined;
  #lastError: GatewayError | undefined = undefined;

  constructor(shared: FallbackFilterConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    this.#headers = headers;
    if (endStream) this.#start();
    return FilterHeadersStatus.StopIteration;
  }

  decodeRequest(request: InferenceRequest): FilterTrailersStatus {
    this.#request = request;
    this.#start();
    return FilterTrailersStatus.StopIteration;
  }

  release(): void {
    this.#firstToken?.cancel();
  }

  #start(): void {
    const { run, streamInfo, scope } = this.#callbacks;
    const { cluster } = run;
    if (cluster === undefined) throw new BugError('fallback: no filter above has chosen a cluster');
    // A copy is not worth another cluster's money.
    this.#plan = streamInfo.mirrored ? undefined : this.#shared.planFor(cluster.name, this.#request?.model);
    scope.own(this);
    this.#open(cluster, undefined);
  }

  /** An answer may come before `openInner` returns, and open the next turn inside it. */
  #open(cluster: Cluster, model: string | undefined): void {
    const { run, streamInfo } = this.#callbacks;
    const later = this.#turns.length > 0;
    const answer = new AttemptAnswer(this, this.#outputFor(model));
    this.#turns.push({ cluster, model, firstAttempt: streamInfo.attempts.length, answer, outcome: undefined });
    const last = this.#peek() === undefined;
    // The last turn may have the originals.
    const headers = last ? (this.#headers as RequestHeaders) : (this.#headers as RequestHeaders).clone();
    const request = last ? this.#request : this.#request?.fork();
    if (later) {
      if (model !== undefined) request?.setModel(model);
      enterCluster(run, cluster, request);
      if (request !== undefined) streamInfo.inference = request;
      if (cluster.workers.some((worker) => worker.runtime === 'external')) removeUnboundKey(headers);
    }
    const firstTokenMs = this.#plan?.firstTokenMs ?? 0;
    if (firstTokenMs > 0 && !last && request?.stream === true) {
      this.#firstToken = this.#shared.clock.setTimer(firstTokenMs, () => this.#onFirstTokenDeadline());
    }
    answer.onOpened(this.#callbacks.openInner({ headers, inference: request }, answer));
  }

  /** What the client sees of an answer: its own name of the model. */
  #outputFor(model: string | undefined): AttemptOutput {
    const shown = this.#request?.requestedModel;
    if (model === undefined || shown === undefined || shown === model) return this.#callbacks;
    return new RenamingOutput(this.#callbacks, this.#shared.scanner, shown);
  }

  // ── how a turn went ───────────────────────────────────────────────────────────────────────────────────────────

  onAttemptHead(answer: AttemptAnswer, headers: ResponseHeaders): void {
    const turn = this.#turns.at(-1) as Turn;
    turn.outcome = String(headers.status);
    const reason = this.#plan?.conditions.reasonOfStatus(headers.status);
    if (reason === undefined) {
      if (this.#firstToken !== undefined && headers.status < 400) answer.awaitContent();
      else this.#passOn(turn);
      return;
    }
    this.#cancelFirstToken();
    const next = this.#takeNext(reason);
    if (next === undefined) {
      this.#passOn(turn);
      return;
    }
    this.#dropSetAside();
    if (headers.kind === 'bytes') {
      this.#setAside = turn;
      answer.setAside();
    } else {
      answer.drop();
    }
    this.#open(next.cluster, next.model);
  }

  onAttemptContent(): void {
    this.#passOn(this.#turns.at(-1) as Turn);
  }

  onAttemptError(_answer: AttemptAnswer, error: GatewayError): void {
    this.#cancelFirstToken();
    const turn = this.#turns.at(-1) as Turn;
    const first = this.#turns.length === 1;
    const reason = this.#plan?.conditions.reasonOfError(error, first);
    turn.outcome = error.upstreamStatus === undefined ? (reason ?? error.code) : String(error.upstreamStatus);
    const unasked = reason !== undefined && isUnasked(error);
    if (this.#lastError === undefined || !unasked) this.#lastError = error;
    // A later word of a worker goes before an earlier one.
    if (error.upstreamStatus !== undefined || reason === undefined) this.#dropSetAside();
    this.#goOn(reason);
  }

  #onFirstTokenDeadline(): void {
    this.#firstToken = undefined;
    const turn = this.#turns.at(-1) as Turn;
    turn.outcome = 'first_token';
    const { attempts } = this.#callbacks.streamInfo;
    const last = attempts.length > turn.firstAttempt ? (attempts.at(-1) as Attempt) : undefined;
    if (last !== undefined) last.error ??= 'first_token_deadline';
    turn.answer.drop();
    const message = 'The worker did not begin its answer in time';
    this.#lastError = new GatewayError('upstream_timeout', message, { details: 'first_token_deadline' });
    this.#goOn('first_token');
  }

  #goOn(reason: FallbackReason | undefined): void {
    const next = reason === undefined ? undefined : this.#takeNext(reason);
    if (next !== undefined) this.#open(next.cluster, next.model);
    else if (this.#setAside?.answer.usable === true) this.#pass(this.#setAside);
    else this.#callbacks.sendLocalReply(this.#errorForClient(this.#lastError as GatewayError));
  }

  #passOn(turn: Turn): void {
    this.#cancelFirstToken();
    this.#dropSetAside();
    this.#pass(turn);
  }

  #pass({ answer }: Turn): void {
    if (this.#shared.attemptsHeader) answer.headers?.set(ATTEMPTS_HEADER, this.#attemptsText());
    answer.pass();
  }

  #dropSetAside(): void {
    this.#setAside?.answer.drop();
    this.#setAside = undefined;
  }

  #cancelFirstToken(): void {
    this.#firstToken?.cancel();
    this.#firstToken = undefined;
  }

  // ── where to go on ────────────────────────────────────────────────────────────────────────────────────────────

  /** The next cluster that this request has not asked for the same model. */
  #peek(): FallbackTarget | undefined {
    const targets = this.#plan?.targets ?? [];
    for (; this.#nextTarget < targets.length; this.#nextTarget++) {
      const target = targets[this.#nextTarget] as FallbackTarget;
      if (!this.#hasAsked(target)) return target;
    }
    return undefined;
  }

  #hasAsked({ cluster, model }: FallbackTarget): boolean {
    const own = this.#request?.model;
    return this.#turns.some((turn) => turn.cluster === cluster && (turn.model ?? own) === (model ?? own));
  }

  /** The same, to be asked now; undefined when the request has had its time. */
  #takeNext(reason: FallbackReason): FallbackTarget | undefined {
    const { deadlineMs } = this.#callbacks.streamInfo;
    const inTime = deadlineMs === 0 || this.#shared.clock.monotonicMs() < deadlineMs;
    const target = inTime ? this.#peek() : undefined;
    const from = (this.#turns.at(-1) as Turn).cluster.name;
    if (target === undefined) {
      // Without a cluster to go on to nothing was exhausted.
      if ((this.#plan?.targets.length ?? 0) > 0) {
        this.#shared.exhausted.with((this.#turns[0] as Turn).cluster.name).inc();
      }
      return undefined;
    }
    this.#nextTarget++;
    this.#shared.fallbacks.with(from, target.cluster.name, reason).inc();
    return target;
  }

  // ── what the client is told ───────────────────────────────────────────────────────────────────────────────────

  #attemptsText(): string {
    return this.#turns.map(({ cluster, outcome }) => `${cluster.name}=${outcome ?? 'pending'}`).join(', ');
  }

  #errorForClient(error: GatewayError): GatewayError {
    const shown = this.#request?.requestedModel;
    const renamed = error.code === 'model_not_found' && error.upstreamStatus === undefined && shown !== undefined;
    if (!renamed && !this.#shared.attemptsHeader) return error;
    const message = renamed
      ? `The model \`${shown.slice(0, 100)}\` does not exist or you do not have access to it.`
      : undefined;
    const headers = this.#shared.attemptsHeader ? [ATTEMPTS_HEADER, this.#attemptsText()] : [];
    return error.with(message ?? error.message, headers);
  }
}
