import type { Delta, InferenceRequest } from '../../../core/api/inference.js';

type FinishDelta = Extract<Delta, { kind: 'finish' }>;

/** Reasons that OpenAI has no word for; a worker that knows them says them. */
const OWN_REASONS: ReadonlySet<string> = new Set([
  'pause_turn',
  'refusal',
  'model_context_window_exceeded',
  'compaction',
]);

export interface StopFields {
  readonly stop_reason: string;
  readonly stop_sequence: string | null;
}

/** Why an answer ended, in Anthropic's words. A cut answer is `max_tokens` even in the middle of a call. */
export function stopFields(
  finish: FinishDelta | undefined,
  hasToolCalls: boolean,
  request: InferenceRequest,
): StopFields {
  const own = finish?.providerReason;
  if (own !== undefined && OWN_REASONS.has(own)) return { stop_reason: own, stop_sequence: null };
  switch (finish?.reason) {
    case 'length':
      return { stop_reason: 'max_tokens', stop_sequence: null };
    case 'content_filter':
      return { stop_reason: 'refusal', stop_sequence: null };
    case 'tool_calls':
      return { stop_reason: 'tool_use', stop_sequence: null };
    default: {
      if (hasToolCalls) return { stop_reason: 'tool_use', stop_sequence: null };
      const matched = finish?.matchedStop;
      // Engines also name the stop strings of the model's own template, which the client did not ask for.
      if (typeof matched === 'string' && isAskedFor(matched, request)) {
        return { stop_reason: 'stop_sequence', stop_sequence: matched };
      }
      return { stop_reason: 'end_turn', stop_sequence: null };
    }
  }
}

function isAskedFor(matched: string, request: InferenceRequest): boolean {
  const text = request.rawField('stop_sequences');
  return text !== undefined && (JSON.parse(text) as readonly unknown[] | null)?.includes(matched) === true;
}
