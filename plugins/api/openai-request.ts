import type { Conversation, SamplingRequest } from '../../core/api/conversation.js';
import type { JsonObject } from '../../core/api/inference.js';
import {
  invalidType,
  invalidValue,
  optionalInteger,
  optionalNumber,
  optionalObject,
  present,
  stringsOf,
} from './json-fields.js';

/** What the bodies of OpenAI's chat and text completions have in common. */

/** The fields that both have. `known`: what the api has itself; anything else is kept as it is, unless it is null. */
export function readShared(
  body: JsonObject,
  stream: boolean,
  known: ReadonlySet<string>,
): Pick<Conversation, 'sampling' | 'stop' | 'choices' | 'stream' | 'extra'> {
  if (!stream && optionalObject(body, 'stream_options', '') !== undefined) {
    throw invalidValue('stream_options', "The 'stream_options' parameter is only allowed when 'stream' is enabled");
  }
  return {
    sampling: readSampling(body),
    stop: readStop(body),
    choices: optionalInteger(body, 'n', '', 1) ?? 1,
    stream,
    extra: Object.fromEntries(Object.entries(body).filter(([name, value]) => value !== null && !known.has(name))),
  };
}

function readSampling(body: JsonObject): SamplingRequest {
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
function readStop(body: JsonObject): readonly string[] {
  const stop = body.stop ?? undefined;
  if (stop === undefined) return [];
  if (typeof stop === 'string') return [stop];
  if (!Array.isArray(stop)) throw invalidType('stop', 'a string or an array of strings', stop);
  return stringsOf(stop, 'stop');
}
