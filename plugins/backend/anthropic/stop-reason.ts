import type { Delta, FinishReason } from '../../../core/api/index.js';

/** What each of Anthropic's reasons is in OpenAI's words; the others are `stop`, with their own word beside it. */
const REASONS: ReadonlyMap<unknown, FinishReason> = new Map<unknown, FinishReason>([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['refusal', 'content_filter'],
]);

/** `answeredByTool`: the tool that was called is the answer itself, so the client sees no call. */
export function finishDelta(stopReason: unknown, stopSequence: unknown, answeredByTool: boolean): Delta {
  const known = REASONS.get(stopReason);
  const reason = known === undefined || (known === 'tool_calls' && answeredByTool) ? 'stop' : known;
  return {
    kind: 'finish',
    choice: 0,
    reason,
    ...(typeof stopSequence === 'string' ? { matchedStop: stopSequence } : {}),
    ...(known === undefined && typeof stopReason === 'string' ? { providerReason: stopReason } : {}),
  };
}
