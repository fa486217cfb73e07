import { GatewayError, isJsonObject, type JsonObject, parseJson, type TokenUsage } from '../../../core/api/index.js';
import { redactMessage } from '../../../core/inference/redact-message.js';
import type { AnswerDecoder, EmitDelta } from '../translate/worker-dialect.js';
import { CandidateDecoder } from './candidate-decoder.js';
import type { DecodeContext } from './decode-context.js';
import { createAnswerError } from './errors.js';
import { decodeUsage } from './usage.js';
import type { GeminiAnswer } from './wire.js';

/** Google gives 8 at most; what has a larger index is not ours to number. */
const MAX_CANDIDATES = 128;

/**
 * Reads an answer of `generateContent` or the events of `streamGenerateContent`. A streamed event is a small answer; the
 * stream has no last event, so it is complete when it ends after every candidate has said why it ended.
 */
export class GeminiDecoder implements AnswerDecoder {
  readonly #context: DecodeContext;
  readonly #candidates = new Map<number, CandidateDecoder>();
  #responseId: string | undefined = undefined;
  #blockReason: string | undefined = undefined;
  #usage: TokenUsage | undefined = undefined;

  constructor(context: DecodeContext) {
    this.#context = context;
  }

  onAnswer(answer: JsonObject, emit: EmitDelta): void {
    this.#push(answer as GeminiAnswer, true, emit);
    if (this.#candidates.size === 0 && this.#blockReason === undefined) {
      throw new GatewayError('upstream_protocol_error', 'The worker answered with nothing', {
        details: 'empty_upstream_response',
      });
    }
    this.#finish(emit);
  }

  onEvent(_event: string | undefined, data: string, emit: EmitDelta): boolean {
    this.#push(parseEvent(data), false, emit);
    return false;
  }

  onEnd(emit: EmitDelta): boolean {
    const isBlocked = this.#candidates.size === 0 && this.#blockReason !== undefined;
    const all = [...this.#candidates.values()];
    if (!isBlocked && (all.length === 0 || all.some(({ finishReason }) => finishReason === undefined))) return false;
    this.#finish(emit);
    return true;
  }

  #push(answer: GeminiAnswer, whole: boolean, emit: EmitDelta): void {
    if (answer.error !== undefined) throw createAnswerError(answer.error);
    this.#start(answer, emit);
    const { candidates, promptFeedback, usageMetadata } = answer;
    if (typeof promptFeedback?.blockReason === 'string') this.#blockReason = promptFeedback.blockReason;
    // Counts are of the whole answer so far.
    if (usageMetadata !== undefined) this.#usage = { ...this.#usage, ...decodeUsage(usageMetadata) };
    if (!Array.isArray(candidates)) return;
    candidates.forEach((candidate: NonNullable<GeminiAnswer['candidates']>[number], position) => {
      const index = candidate.index ?? position;
      if (Number.isInteger(index) && index >= 0 && index < MAX_CANDIDATES) {
        this.#candidate(index).push(candidate, whole, emit);
      }
    });
  }

  #start({ responseId, modelVersion }: GeminiAnswer, emit: EmitDelta): void {
    if (this.#responseId !== undefined || (responseId === undefined && modelVersion === undefined)) return;
    this.#responseId = responseId ?? '';
    emit({
      kind: 'start',
      ...(responseId === undefined ? {} : { responseId }),
      ...(modelVersion === undefined ? {} : { model: modelVersion }),
    });
  }

  #candidate(index: number): CandidateDecoder {
    let candidate = this.#candidates.get(index);
    if (candidate === undefined) {
      candidate = new CandidateDecoder(index, this.#context);
      this.#candidates.set(index, candidate);
    }
    return candidate;
  }

  #finish(emit: EmitDelta): void {
    const candidates = [...this.#candidates.entries()].sort(([a], [b]) => a - b).map(([, candidate]) => candidate);
    if (candidates.length === 0) {
      emit({ kind: 'refusal', choice: 0, text: `Blocked: ${this.#blockReason}` });
      emit({ kind: 'finish', choice: 0, reason: 'content_filter' });
    } else if (!candidates.some(isUsable)) throw failedGeneration(candidates[0] as CandidateDecoder);
    for (const candidate of candidates) candidate.finish(emit);
    if (this.#usage !== undefined) emit({ kind: 'usage', usage: this.#usage });
  }
}

/** An answer that is empty for a reason of its own is still an answer. */
function isUsable({ hasContent, finishReason }: CandidateDecoder): boolean {
  return hasContent || finishReason === undefined || !FAILURES.test(finishReason);
}

/** Every reason but those that OpenAI has a word for. */
const FAILURES =
  /^(?!STOP$|MAX_TOKENS$|SAFETY$|RECITATION$|BLOCKLIST$|PROHIBITED_CONTENT$|SPII$|LANGUAGE$|IMAGE_(?:SAFETY|PROHIBITED_CONTENT|RECITATION)$)/;

function failedGeneration({ finishReason, finishMessage }: CandidateDecoder): GatewayError {
  const said = finishMessage === undefined ? '' : `: ${redactMessage(finishMessage.slice(0, 1000))}`;
  const message = `The model ended with ${finishReason} and no content${said}`;
  return new GatewayError('upstream_protocol_error', message, { details: 'upstream_generation_failed' });
}

/** Without `alt=sse`, and on some gateways, an event is an array of one. */
function parseEvent(data: string): GeminiAnswer {
  const parsed = parseJson(data);
  const value: unknown = Array.isArray(parsed) && parsed.length === 1 ? parsed[0] : parsed;
  if (isJsonObject(value)) return value;
  throw new GatewayError('upstream_protocol_error', 'The worker sent an event that is no JSON object', {
    details: 'event_not_json',
  });
}
