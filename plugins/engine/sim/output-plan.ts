import { mix, pieceId, splitPieces, wordPiece } from './text.js';

/** Where answers come from: `words`: endless made-up prose; `echo`: the last user text; `fixed`: `reply`. */
export interface TextSource {
  readonly mode: 'words' | 'echo' | 'fixed';
  readonly reply: string;
  /** Bounds of the natural length in `words` mode, tokens, both possible; spread evenly on a logarithmic scale. */
  readonly minTokens: number;
  readonly maxTokens: number;
}

/** One call of a tool, already decided. */
export interface PlannedToolCall {
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
  /** Its arguments are the pieces from `firstPiece` up to, not including, `endPiece`. */
  readonly firstPiece: number;
  readonly endPiece: number;
}

export type PlannedFinish = 'stop' | 'length' | 'tool_calls';

export interface OutputRequest {
  readonly source: TextSource;
  /** Decides everything that is made up. */
  readonly seed: number;
  /** Last text of the user, for `echo`. */
  readonly lastUserText: string;
  /** Upper limit in tokens, ≥ 1; undefined: none given. */
  readonly maxTokens: number | undefined;
  /** Never ends by itself: up to `maxTokens`. */
  readonly ignoreEos: boolean;
  /** Exact natural length, from a request header. */
  readonly exactTokens: number | undefined;
  /** Non-empty strings. */
  readonly stop: readonly string[];
  /** Calls to make instead of text. */
  readonly toolCalls: readonly { readonly name: string; readonly arguments: string }[];
}

/** The whole answer of one choice, decided before its first token. Prose of any length is computed, not stored. */
export class OutputPlan {
  readonly tokens: number;
  readonly finish: PlannedFinish;
  /** Stop string that ends it. */
  readonly matchedStop: string | undefined;
  readonly toolCalls: readonly PlannedToolCall[];
  readonly #seed: number;
  readonly #pieces: readonly string[] | undefined;

  constructor(
    seed: number,
    pieces: readonly string[] | undefined,
    tokens: number,
    finish: PlannedFinish,
    matchedStop: string | undefined = undefined,
    toolCalls: readonly PlannedToolCall[] = [],
  ) {
    this.#seed = seed;
    this.#pieces = pieces;
    this.tokens = tokens;
    this.finish = finish;
    this.matchedStop = matchedStop;
    this.toolCalls = toolCalls;
  }

  /** Text of token `index`; empty where a stop string was cut off. */
  pieceAt(index: number): string {
    return this.#pieces === undefined ? wordPiece(this.#seed, index) : (this.#pieces[index] ?? '');
  }

  /** Token id of `index`. */
  idAt(index: number): number {
    return pieceId(this.pieceAt(index));
  }

  /** Text of tokens `from` up to, not including, `to`. */
  textBetween(from: number, to: number): string {
    let text = '';
    for (let index = from; index < to; index++) text += this.pieceAt(index);
    return text;
  }
}

/** Decides an answer. Same request, same plan. */
export function planOutput(request: OutputRequest): OutputPlan {
  if (request.toolCalls.length > 0) return planToolCalls(request);
  const { source, seed } = request;
  const limit = request.maxTokens ?? Number.POSITIVE_INFINITY;
  if (source.mode === 'words') {
    const natural = naturalTokens(request);
    const tokens = Math.min(natural, limit);
    const plan = new OutputPlan(seed, undefined, tokens, limit < natural || request.ignoreEos ? 'length' : 'stop');
    return request.stop.length === 0 ? plan : stopEarly(plan, seed, request.stop);
  }
  const pieces = splitPieces((source.mode === 'echo' ? request.lastUserText : source.reply) || '.');
  const tokens = Math.min(pieces.length, limit);
  const plan = new OutputPlan(seed, pieces.slice(0, tokens), tokens, tokens < pieces.length ? 'length' : 'stop');
  return request.stop.length === 0 ? plan : stopEarly(plan, seed, request.stop);
}

function naturalTokens(request: OutputRequest): number {
  if (request.exactTokens !== undefined) return request.exactTokens;
  const { minTokens, maxTokens } = request.source;
  if (request.ignoreEos) return request.maxTokens ?? maxTokens;
  const share = mix(request.seed, 0x10f) / 0xffff_ffff;
  return Math.round(minTokens * (maxTokens / minTokens) ** share);
}

/** Ends a plan before the first stop string in it, which is not part of the text but of the tokens. */
function stopEarly(plan: OutputPlan, seed: number, stop: readonly string[]): OutputPlan {
  const longest = Math.max(...stop.map((text) => text.length));
  const pieces: string[] = [];
  let text = '';
  for (let index = 0; index < plan.tokens; index++) {
    const before = text.length;
    const piece = plan.pieceAt(index);
    text += piece;
    pieces.push(piece);
    const from = Math.max(0, before - longest);
    let cutAt = -1;
    let matched = '';
    for (const candidate of stop) {
      const at = text.indexOf(candidate, from);
      if (at < 0 || (cutAt >= 0 && at >= cutAt)) continue;
      cutAt = at;
      matched = candidate;
    }
    if (cutAt < 0) continue;
    return new OutputPlan(seed, cutPieces(pieces, cutAt), pieces.length, 'stop', matched);
  }
  return plan;
}

function cutPieces(pieces: readonly string[], units: number): string[] {
  let left = units;
  return pieces.map((piece) => {
    const kept = piece.slice(0, Math.max(0, left));
    left -= piece.length;
    return kept;
  });
}

function planToolCalls(request: OutputRequest): OutputPlan {
  const pieces: string[] = [];
  const calls: PlannedToolCall[] = [];
  for (const call of request.toolCalls) {
    const firstPiece = pieces.length;
    for (const piece of splitPieces(call.arguments)) pieces.push(piece);
    calls.push({ name: call.name, arguments: call.arguments, firstPiece, endPiece: pieces.length });
  }
  const limit = request.maxTokens ?? pieces.length;
  const finish = limit < pieces.length ? 'length' : 'tool_calls';
  return new OutputPlan(request.seed, pieces, Math.min(limit, pieces.length), finish, undefined, calls);
}
