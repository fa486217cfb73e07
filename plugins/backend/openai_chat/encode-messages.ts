import {
  type Conversation,
  GatewayError,
  type JsonObject,
  type Part,
  type ToolCallPart,
  type ToolResultPart,
  type Turn,
} from '../../../core/api/index.js';
import { toolArguments } from '../translate/tool-arguments.js';
import type { ToolNames } from '../translate/tool-names.js';
import type { ChatFlavour } from './flavour.js';

/** What the encoders of one request share. */
export interface EncodeContext {
  readonly flavour: ChatFlavour;
  /** Name of the model as the worker is asked for it. */
  readonly model: string;
  readonly systemRole: 'system' | 'developer';
  readonly names: ToolNames;
}

/** The turns of a conversation as chat messages. Images that tools returned follow in the next message of the user. */
export function encodeMessages(conversation: Conversation, context: EncodeContext): JsonObject[] {
  const messages: JsonObject[] = [];
  let returned: JsonObject[] = [];
  for (const turn of conversation.turns) {
    if (turn.role === 'tool') {
      for (const part of turn.parts)
        if (part.kind === 'tool_result') messages.push(toolMessage(part, returned, context));
      continue;
    }
    if (turn.role !== 'user' && returned.length > 0) {
      messages.push({ role: 'user', content: returned });
      returned = [];
    }
    const message = encodeTurn(turn, returned, context);
    if (turn.role === 'user') returned = [];
    if (message !== undefined) messages.push(message);
  }
  if (returned.length > 0) messages.push({ role: 'user', content: returned });
  return messages;
}

function encodeTurn(turn: Turn, returned: readonly JsonObject[], context: EncodeContext): JsonObject | undefined {
  const name = turn.name === undefined ? {} : { name: turn.name };
  if (turn.role === 'system') {
    const content = textsOf(turn.parts).join('\n');
    return content === '' ? undefined : { role: context.systemRole, content, ...name };
  }
  if (turn.role === 'assistant') return assistantMessage(turn, context, name);
  const texts = textsOf(turn.parts);
  if (returned.length === 0 && texts.length === turn.parts.length) {
    return texts.length === 0 ? undefined : { role: 'user', content: texts.join('\n'), ...name };
  }
  const own = turn.parts.flatMap((part) => userPart(part, context) ?? []);
  const content = [...returned, ...own];
  return content.length === 0 ? undefined : { role: 'user', content, ...name };
}

function textsOf(parts: readonly Part[]): string[] {
  return parts.flatMap((part) => (part.kind === 'text' ? [part.text] : []));
}

/** A part of what the user says; undefined for what only another vendor knows. */
function userPart(part: Part, { flavour }: EncodeContext): JsonObject | undefined {
  switch (part.kind) {
    case 'text':
      return { type: 'text', text: part.text };
    case 'image': {
      const detail = part.detail === undefined ? {} : { detail: part.detail };
      return { type: 'image_url', image_url: { url: urlOf(part), ...detail } };
    }
    case 'document':
      return documentPart(part);
    case 'audio': {
      const format = part.source.kind === 'base64' ? AUDIO_FORMATS[part.source.mediaType] : undefined;
      if (format !== undefined && part.source.kind === 'base64') {
        return { type: 'input_audio', input_audio: { data: part.source.data, format } };
      }
      if (flavour.kind !== 'engine') throw unsupportedPart(part);
      return { type: 'audio_url', audio_url: { url: urlOf(part) } };
    }
    case 'video':
      if (flavour.kind !== 'engine') throw unsupportedPart(part);
      return { type: 'video_url', video_url: { url: urlOf(part) } };
    default:
      return undefined;
  }
}

const AUDIO_FORMATS: Readonly<Record<string, string>> = {
  'audio/wav': 'wav',
  'audio/x-wav': 'wav',
  'audio/wave': 'wav',
  'audio/mp3': 'mp3',
  'audio/mpeg': 'mp3',
};

type MediaPart = Extract<Part, { kind: 'image' | 'document' | 'audio' | 'video' }>;

function urlOf(part: MediaPart): string {
  const { source } = part;
  if (source.kind === 'base64') return `data:${source.mediaType};base64,${source.data}`;
  if (source.kind === 'url') return source.url;
  throw unsupportedPart(part);
}

function documentPart(part: Extract<Part, { kind: 'document' }>): JsonObject {
  const { source, title } = part;
  if (source.kind === 'text') return { type: 'text', text: source.text };
  if (source.kind === 'url') {
    const message = `'${part.param}' is a document behind a URL, which the worker of this model does not fetch: send its data`;
    throw new GatewayError('remote_media_not_supported', message, { param: part.param });
  }
  return { type: 'file', file: { filename: title ?? 'document.pdf', file_data: urlOf(part) } };
}

function unsupportedPart(part: Part): GatewayError {
  const message = `The worker of this model does not support the content of '${part.param}'`;
  return new GatewayError('unsupported_content_part', message, { param: part.param });
}

/** Texts joined without separator; null content where there are only calls. */
function assistantMessage(turn: Turn, context: EncodeContext, name: JsonObject): JsonObject | undefined {
  let content = '';
  let refusal = '';
  let reasoning = '';
  let audio: JsonObject = {};
  const calls: JsonObject[] = [];
  for (const part of turn.parts) {
    if (part.kind === 'text') content += part.text;
    else if (part.kind === 'refusal') refusal += part.text;
    else if (part.kind === 'reasoning') reasoning += part.text;
    else if (part.kind === 'tool_call') calls.push(toolCall(part, context));
    else if (part.kind === 'vendor' && part.vendor === 'openai') audio = part.data;
  }
  const said = content !== '' || refusal !== '' || calls.length > 0 || Object.keys(audio).length > 0;
  const thought = context.flavour.reasoningContent && reasoning !== '';
  if (!said && !thought) return undefined;
  return {
    role: 'assistant',
    content: content === '' && said ? null : content,
    ...name,
    ...(refusal === '' ? {} : { refusal }),
    ...(thought ? { reasoning_content: reasoning } : {}),
    ...audio,
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

function toolCall(part: ToolCallPart, { flavour, names }: EncodeContext): JsonObject {
  const { id } = part;
  const name = names.toWorker(part.name);
  if (part.custom !== true) return { id, type: 'function', function: { name, arguments: part.arguments } };
  if (flavour.kind === 'openai') return { id, type: 'custom', custom: { name, input: part.arguments } };
  return { id, type: 'function', function: { name, arguments: JSON.stringify(toolArguments(part)) } };
}

/** Chat takes text from tools: other parts are added to `returned`, under a line that says whose they are. */
function toolMessage(part: ToolResultPart, returned: JsonObject[], context: EncodeContext): JsonObject {
  const texts: string[] = [];
  for (const item of part.content) {
    const encoded = userPart(item, context);
    if (encoded === undefined) continue;
    if (encoded.type === 'text') texts.push(encoded.text as string);
    else returned.push({ type: 'text', text: `${whatIs(item)} returned by tool ${part.callId}:` }, encoded);
  }
  const text = texts.join('\n');
  const content = part.isError === true ? `Error: ${text}` : text;
  return { role: 'tool', tool_call_id: part.callId, content };
}

function whatIs({ kind }: Part): string {
  return kind.charAt(0).toUpperCase() + kind.slice(1);
}
