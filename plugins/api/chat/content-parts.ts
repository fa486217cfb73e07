import type { MediaSource, Part } from '../../../core/api/conversation.js';
import { GatewayError } from '../../../core/api/errors.js';
import type { JsonObject } from '../../../core/api/inference.js';
import {
  type DataUrlContent,
  isDataUrl,
  normalizeBase64,
  parseDataUrl,
  sniffMediaType,
} from '../../../core/inference/data-url.js';
import {
  invalidType,
  invalidValue,
  memberPath,
  missingParameter,
  objectsOf,
  optionalObject,
  optionalString,
  present,
  requiredObject,
  requiredString,
  unknownValue,
} from '../json-fields.js';

/** What the content of each role may hold. */
export const TEXT_PARTS = ['text'] as const;
export const ASSISTANT_PARTS = ['text', 'refusal'] as const;
export const MEDIA_PARTS = ['text', 'image_url', 'input_audio', 'file', 'video_url', 'audio_url'] as const;

type PartType = (typeof MEDIA_PARTS)[number] | (typeof ASSISTANT_PARTS)[number];

/** `content` of a message: text, or parts of the types that its role may have. Absent and null are no parts. */
export function readContent(message: JsonObject, path: string, allowed: readonly PartType[]): Part[] {
  const content = message.content ?? undefined;
  const param = memberPath(path, 'content');
  if (content === undefined) return [];
  if (typeof content === 'string') return [{ kind: 'text', text: content, param }];
  if (!Array.isArray(content)) throw invalidType(param, 'a string or an array of content parts', content);
  return objectsOf(content, param).map(([part, partPath]) => readPart(part, partPath, allowed));
}

function readPart(part: JsonObject, param: string, allowed: readonly PartType[]): Part {
  const type = requiredString(part, 'type', param);
  if (!allowed.includes(type as PartType)) throw unknownValue(memberPath(param, 'type'), type, allowed);
  const cacheControl = optionalObject(part, 'cache_control', param);
  const read = readPartOf(type as PartType, part, param);
  return cacheControl === undefined ? read : { ...read, cacheControl };
}

function readPartOf(type: PartType, part: JsonObject, param: string): Part {
  switch (type) {
    case 'text':
      return { kind: 'text', text: requiredString(part, 'text', param), param };
    case 'refusal':
      return { kind: 'refusal', text: requiredString(part, 'refusal', param), param };
    case 'image_url':
      return readImage(part, param);
    case 'video_url':
      return { kind: 'video', source: readUrl(part, 'video_url', param), param };
    case 'audio_url':
      return { kind: 'audio', source: readUrl(part, 'audio_url', param), param };
    case 'input_audio':
      return readAudio(requiredObject(part, 'input_audio', param), memberPath(param, 'input_audio'), param);
    case 'file':
      return readFile(requiredObject(part, 'file', param), memberPath(param, 'file'), param);
  }
}

/** An image, or the PDF that clients send under the same name. */
export function readImage(part: JsonObject, param: string): Part {
  const source = readUrl(part, 'image_url', param);
  if (isPdf(source)) return { kind: 'document', source, param };
  const image = part.image_url;
  const detail =
    typeof image === 'string' ? undefined : optionalString(image as JsonObject, 'detail', `${param}.image_url`);
  return { kind: 'image', source, param, ...present({ detail }) };
}

/** `{ <name>: { url } }`, or the URL itself, which many clients send and many engines take. */
function readUrl(part: JsonObject, name: string, param: string): MediaSource {
  const path = memberPath(param, name);
  const value = part[name] ?? undefined;
  if (value === undefined) throw missingParameter(path);
  const url = typeof value === 'string' ? value : requiredString(requiredObject(part, name, param), 'url', path);
  const urlPath = typeof value === 'string' ? path : `${path}.url`;
  if (isDataUrl(url)) return { kind: 'base64', ...parseDataUrl(url, urlPath) };
  if (!/^[a-z][a-z0-9+.-]*:\/\/\S+$/i.test(url)) {
    const message = `Invalid value for '${urlPath}': expected a URL or a data URL`;
    throw new GatewayError('invalid_image_url', message, { param: urlPath });
  }
  return { kind: 'url', url };
}

function isPdf(source: MediaSource): boolean {
  if (source.kind === 'base64') return source.mediaType === 'application/pdf';
  return source.kind === 'url' && /^[^?#]*\.pdf(?:[?#]|$)/i.test(source.url);
}

function readAudio(audio: JsonObject, path: string, param: string): Part {
  const data = normalizeBase64(requiredString(audio, 'data', path));
  if (data === undefined) throw invalidValue(`${path}.data`, 'it is not valid base64');
  const format = requiredString(audio, 'format', path);
  return { kind: 'audio', source: { kind: 'base64', mediaType: `audio/${format.toLowerCase()}`, data }, param };
}

/** OpenAI's `file`: an id, or data as data URL; bare base64 is taken where its bytes or the name tell the type. */
function readFile(file: JsonObject, path: string, param: string): Part {
  const title = optionalString(file, 'filename', path);
  const fileId = optionalString(file, 'file_id', path);
  const fileData = optionalString(file, 'file_data', path);
  const named = present({ title });
  if (fileData === undefined) {
    if (fileId === undefined) throw missingParameter(`${path}.file_data`);
    return { kind: 'document', source: { kind: 'file', fileId }, param, ...named };
  }
  const content = readFileData(fileData, title, `${path}.file_data`);
  const source = { kind: 'base64', ...content } as const;
  const { mediaType } = content;
  if (mediaType.startsWith('image/')) return { kind: 'image', source, param };
  if (mediaType.startsWith('audio/')) return { kind: 'audio', source, param };
  if (mediaType.startsWith('video/')) return { kind: 'video', source, param };
  if (!isText(mediaType)) return { kind: 'document', source, param, ...named };
  const text = decodeText(content.data, `${path}.file_data`);
  return { kind: 'document', source: { kind: 'text', mediaType, text }, param, ...named };
}

/** Types by the end of a file's name, for data that comes without one. */
const TYPES_BY_EXTENSION: Readonly<Record<string, string>> = {
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
  json: 'application/json',
};

function readFileData(text: string, filename: string | undefined, param: string): DataUrlContent {
  if (isDataUrl(text)) return parseDataUrl(text, param, 'invalid_value');
  const data = normalizeBase64(text);
  if (data === undefined) throw invalidValue(param, 'expected a data URL or base64');
  const extension = /\.([a-z0-9]+)$/i.exec(filename ?? '')?.[1]?.toLowerCase() ?? '';
  const mediaType = sniffMediaType(data) ?? TYPES_BY_EXTENSION[extension];
  if (mediaType === undefined) throw invalidValue(param, 'neither a data URL nor the file name says what type it has');
  return { mediaType, data };
}

function isText(mediaType: string): boolean {
  return mediaType.startsWith('text/') || mediaType === 'application/json' || mediaType === 'application/xml';
}

function decodeText(data: string, param: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(data, 'base64'));
  } catch {
    throw invalidValue(param, 'the text is not valid UTF-8');
  }
}
