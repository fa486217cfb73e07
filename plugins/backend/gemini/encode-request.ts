import type { Conversation, JsonObject } from '../../../core/api/index.js';
import type { EncodedRequest } from '../translate/worker-dialect.js';
import { encodeContents } from './contents.js';
import type { EncodeContext } from './encode-context.js';
import { readExtensions } from './extensions.js';
import { encodeGenerationConfig } from './generation-config.js';
import { encodeThinking } from './reasoning.js';
import { encodeResponseFormat } from './response-format.js';
import { encodeTools, functionNames } from './tools.js';

/** Writes a conversation as a request to `generateContent`. `model`: without `models/`. */
export function encodeRequest(
  conversation: Conversation,
  model: string,
  context: EncodeContext,
): Omit<EncodedRequest, 'createDecoder'> {
  const extensions = readExtensions(conversation, context.unsupported);
  const { contents, system } = encodeContents(conversation.turns, context);
  const tools = encodeTools(conversation, context);
  const format = encodeResponseFormat(conversation, functionNames(conversation).length > 0, context.features);
  const instructions = format.instruction === undefined ? system : [...system, { text: format.instruction }];
  const thinking = extensions.thinkingConfig ?? encodeThinking(conversation.reasoning, context);
  const generationConfig: JsonObject = {
    ...encodeGenerationConfig(conversation, context),
    ...format.config,
    ...(thinking === undefined ? {} : { thinkingConfig: thinking }),
  };
  const { cachedContent, safetySettings } = extensions;
  const body: JsonObject = {
    ...(instructions.length === 0 ? {} : { systemInstruction: { parts: instructions } }),
    contents,
    ...tools,
    ...(Object.keys(generationConfig).length === 0 ? {} : { generationConfig }),
    ...(safetySettings === undefined ? {} : { safetySettings }),
    ...(cachedContent === undefined ? {} : { cachedContent }),
  };
  if (cachedContent !== undefined) leaveToCache(body, context);
  return { path: pathOf(model, conversation.stream), body, dropped: context.unsupported.dropped };
}

/** A cached content brings its own; Gemini refuses both. */
function leaveToCache(body: JsonObject, { unsupported }: EncodeContext): void {
  for (const [field, name] of [
    ['systemInstruction', 'system'],
    ['tools', 'tools'],
    ['toolConfig', 'tool_choice'],
  ] as const) {
    if (body[field] === undefined) continue;
    delete body[field];
    unsupported.note(name);
  }
}

/** Tuned models have a collection of their own; all other names are of `models`. */
function pathOf(model: string, stream: boolean): string {
  const [, collection = 'models', name = model] = /^(tunedModels)\/(.+)$/.exec(model) ?? [];
  const method = stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
  return `/v1beta/${collection}/${encodeURIComponent(name)}:${method}`;
}
