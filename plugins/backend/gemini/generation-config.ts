import { type Conversation, GatewayError, type JsonObject } from '../../../core/api/index.js';
import { unsupportedParameter } from '../translate/unsupported-params.js';
import type { EncodeContext } from './encode-context.js';

const MAX_STOP_SEQUENCES = 5;
const MAX_CANDIDATES = 8;
const MAX_TOP_LOGPROBS = 20;
const MAX_INT32 = 0x7fff_ffff;
/** What Gemini's speech comes in: OpenAI's word for it. */
const SPEECH_FORMAT = 'pcm16';

/** The numbers and limits of `generationConfig`. Throws `invalid_value` for what is out of Gemini's range. */
export function encodeGenerationConfig(conversation: Conversation, context: EncodeContext): JsonObject {
  const { sampling, maxTokens, choices } = conversation;
  const config: JsonObject = {};
  if (maxTokens !== undefined) config.maxOutputTokens = maxTokens;
  if (sampling.temperature !== undefined) config.temperature = sampling.temperature;
  if (sampling.topP !== undefined) config.topP = sampling.topP;
  if (sampling.topK !== undefined && sampling.topK >= 1) config.topK = sampling.topK;
  if (sampling.seed !== undefined) config.seed = toInt32(sampling.seed);
  encodePenalties(conversation, context, config);
  encodeStop(conversation, config);
  if (choices > MAX_CANDIDATES) throw outOfRange('n', `'n' must be at most ${MAX_CANDIDATES} for this model`);
  if (choices > 1) config.candidateCount = choices;
  encodeLogprobs(conversation, config);
  encodeModalities(conversation, context, config);
  return config;
}

function encodePenalties(
  { sampling }: Conversation,
  { features, unsupported }: EncodeContext,
  config: JsonObject,
): void {
  const { frequencyPenalty, presencePenalty } = sampling;
  if (features.penalties) {
    if (frequencyPenalty !== undefined) config.frequencyPenalty = frequencyPenalty;
    if (presencePenalty !== undefined) config.presencePenalty = presencePenalty;
    return;
  }
  // 0 is what the model does anyway.
  if (frequencyPenalty) unsupported.drop('frequency_penalty');
  if (presencePenalty) unsupported.drop('presence_penalty');
}

function encodeStop({ stop }: Conversation, config: JsonObject): void {
  const sequences = stop.filter((text) => text !== '');
  if (sequences.length > MAX_STOP_SEQUENCES) {
    throw outOfRange('stop', `'stop' may hold at most ${MAX_STOP_SEQUENCES} texts for this model`);
  }
  if (sequences.length > 0) config.stopSequences = sequences;
}

function encodeLogprobs({ logprobs }: Conversation, config: JsonObject): void {
  if (logprobs === undefined) return;
  if (logprobs.top > MAX_TOP_LOGPROBS) {
    throw outOfRange('top_logprobs', `'top_logprobs' must be at most ${MAX_TOP_LOGPROBS} for this model`);
  }
  config.responseLogprobs = true;
  if (logprobs.top > 0) config.logprobs = logprobs.top;
}

function encodeModalities(
  { modalities, audio }: Conversation,
  { unsupported }: EncodeContext,
  config: JsonObject,
): void {
  if (modalities !== undefined && modalities.length > 0) {
    config.responseModalities = modalities.map((modality) => modality.toUpperCase());
  }
  if (audio === undefined) return;
  const { voice, format } = audio;
  if (voice !== undefined) {
    if (typeof voice !== 'string') {
      throw unsupportedParameter('audio.voice', 'The worker of this model knows voices by their names only');
    }
    config.speechConfig = { voiceConfig: { prebuiltVoiceConfig: { voiceName: voice } } };
  }
  if (format !== undefined && format !== SPEECH_FORMAT) unsupported.drop('audio.format');
}

/** Gemini's seed is an int32; larger ones are folded, the same way every time. */
function toInt32(seed: number): number {
  return Number.isInteger(seed) && Math.abs(seed) <= MAX_INT32
    ? seed
    : Number(BigInt(Math.trunc(seed)) & BigInt(MAX_INT32));
}

function outOfRange(param: string, message: string): GatewayError {
  return new GatewayError('invalid_value', message, { param });
}
