import type { SamplingRequest } from '../../core/api/conversation.js';
import type { JsonObject } from '../../core/api/inference.js';
import { invalidType, optionalInteger, optionalNumber, optionalObject, present, stringsOf } from './json-fields.js';

/** What the bodies of OpenAI's chat and text completions have in common. */

/** Fields outside `known`, but for those that are null, which say nothing. */
export function readExtra(body: JsonObject, known: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([name, value]) => value !== null && !known.has(name)));
}

/** The numbers that chat and text completions share. */
export function readSampling(body: JsonObject): SamplingRequest {
  return present({
    temperature: optionalNumber(body, 'temperature', ''),
    topP: optionalNumber(body, 'top_p', ''),
    topK: optionalInteger(body, 'top_k', ''),
    seed: optionalInteger(body, 'seed', ''),
    frequencyPenalty: optionalNumber(body, 'frequency_penalty', ''),
    presencePenalty: optionalNumber(body, 'presence_penalty', ''),
    logitBias: optionalObject(body, 'logit_bias', ''),
  });
}

/** `stop`: one text or several. */
export function readStop(body: JsonObject): readonly string[] {
  const stop = body.stop ?? undefined;
  if (stop === undefined) return [];
  if (typeof stop === 'string') return [stop];
  if (!Array.isArray(stop)) throw invalidType('stop', 'a string or an array of strings', stop);
  return stringsOf(stop, 'stop');
}
