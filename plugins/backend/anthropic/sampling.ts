import type { Conversation, JsonObject } from '../../../core/api/index.js';
import type { UnsupportedParams } from '../translate/unsupported-params.js';
import type { ModelFeatures } from './model-features.js';

/** Largest that Anthropic takes; OpenAI's goes to 2. */
const MAX_TEMPERATURE = 1;
/** With thoughts nothing below it is taken. */
const MIN_THINKING_TOP_P = 0.95;

/** `temperature`, `top_p`, `top_k` as far as the model takes them; the rest is left out. */
export function encodeSampling(
  { sampling }: Conversation,
  features: ModelFeatures,
  thinking: boolean,
  params: UnsupportedParams,
): JsonObject {
  const { temperature, topP, topK, seed, frequencyPenalty, presencePenalty } = sampling;
  const body: JsonObject = {};
  const none = features.sampling === 'none';
  if (temperature !== undefined) {
    if (none || thinking) dropUnless(temperature === 1, 'temperature', params);
    else if (temperature > MAX_TEMPERATURE) {
      params.note('temperature:clamped');
      body.temperature = MAX_TEMPERATURE;
    } else body.temperature = temperature;
  }
  if (topP !== undefined) {
    const both = features.sampling === 'one' && body.temperature !== undefined;
    if (none || both || (thinking && topP < MIN_THINKING_TOP_P)) dropUnless(topP === 1, 'top_p', params);
    else body.top_p = topP;
  }
  // 0 and -1 are how engines spell "all of them".
  if (topK !== undefined && topK >= 1) {
    if (none || thinking) params.drop('top_k');
    else body.top_k = topK;
  }
  if (seed !== undefined) params.drop('seed');
  if (frequencyPenalty !== undefined) dropUnless(frequencyPenalty === 0, 'frequency_penalty', params);
  if (presencePenalty !== undefined) dropUnless(presencePenalty === 0, 'presence_penalty', params);
  return body;
}

/** What says nothing but the default may go without a word. */
function dropUnless(isDefault: boolean, name: string, params: UnsupportedParams): void {
  if (!isDefault) params.drop(name);
}
