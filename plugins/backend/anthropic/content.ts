import {
  type DocumentPart,
  GatewayError,
  type ImagePart,
  type JsonObject,
  type Part,
} from '../../../core/api/index.js';
import type { UnsupportedParams } from '../translate/unsupported-params.js';
import type { RequestBlock } from './messages-wire.js';
import type { ModelFeatures } from './model-features.js';

const IMAGE_TYPES: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp']);
const PDF = 'application/pdf';

export interface ContentContext {
  readonly features: ModelFeatures;
  /** The caller has switched the files API on (`anthropic-beta`). */
  readonly filesAllowed: boolean;
  readonly params: UnsupportedParams;
}

/** A part of what a user said or a tool answered, as a block. Undefined for what is left out: empty text. */
export function encodeContentPart(part: Part, context: ContentContext): RequestBlock | undefined {
  switch (part.kind) {
    case 'text':
    case 'refusal':
      return encodeText(part);
    case 'image':
      return withCacheControl(encodeImage(part, context), part);
    case 'document':
      return withCacheControl(encodeDocument(part, context), part);
    case 'vendor':
      if (part.vendor === 'anthropic' && typeof part.data.type === 'string') return part.data as RequestBlock;
      context.params.drop(part.param);
      return undefined;
    default:
      throw unsupportedPart(part.param, `Content of kind '${part.kind}' is not supported by this model`);
  }
}

/** Anthropic refuses text that is nothing but white space. */
export function encodeText({
  text,
  cacheControl,
}: {
  text: string;
  cacheControl?: JsonObject;
}): RequestBlock | undefined {
  if (text.trim() === '') return undefined;
  return cacheControl === undefined ? { type: 'text', text } : { type: 'text', text, cache_control: cacheControl };
}

export function withCacheControl(block: RequestBlock, { cacheControl }: { cacheControl?: JsonObject }): RequestBlock {
  return cacheControl === undefined ? block : { ...block, cache_control: cacheControl };
}

function encodeImage({ source, param }: ImagePart, context: ContentContext): RequestBlock {
  switch (source.kind) {
    case 'base64': {
      const mediaType = source.mediaType === 'image/jpg' ? 'image/jpeg' : source.mediaType;
      if (mediaType === PDF) return document({ type: 'base64', media_type: PDF, data: source.data }, param, context);
      if (IMAGE_TYPES.has(mediaType)) return image({ type: 'base64', media_type: mediaType, data: source.data });
      throw new GatewayError(
        'unsupported_image_type',
        `Images of type '${mediaType}' are not supported by this model`,
        {
          param,
        },
      );
    }
    case 'url': {
      const url = remoteUrl(source.url, param, context);
      if (!url.pathname.toLowerCase().endsWith('.pdf')) return image({ type: 'url', url: source.url });
      return document({ type: 'url', url: source.url }, param, context);
    }
    case 'file':
      return image(fileSource(source.fileId, param, context));
    case 'text':
      throw unsupportedPart(param, 'A text is not an image');
  }
}

function encodeDocument(part: DocumentPart, context: ContentContext): RequestBlock {
  const { title, context: about, citations } = part;
  return {
    ...document(documentSource(part, context), part.param, context),
    ...(title === undefined ? {} : { title }),
    ...(about === undefined ? {} : { context: about }),
    ...(citations === undefined ? {} : { citations }),
  };
}

function documentSource({ source, param }: DocumentPart, context: ContentContext): JsonObject {
  switch (source.kind) {
    case 'text':
      return plainText(source.text);
    case 'url':
      remoteUrl(source.url, param, context);
      return { type: 'url', url: source.url };
    case 'file':
      return fileSource(source.fileId, param, context);
    case 'base64':
      if (source.mediaType === PDF) return { type: 'base64', media_type: PDF, data: source.data };
      if (source.mediaType.startsWith('text/')) return plainText(Buffer.from(source.data, 'base64').toString('utf8'));
      throw unsupportedPart(param, `Files of type '${source.mediaType}' are not supported by this model`);
  }
}

function image(source: JsonObject): RequestBlock {
  return { type: 'image', source };
}

function document(source: JsonObject, param: string, { features }: ContentContext): RequestBlock {
  if (!features.pdf && source.type !== 'text') throw unsupportedPart(param, 'This model does not read PDF documents');
  return { type: 'document', source };
}

function plainText(text: string): JsonObject {
  return { type: 'text', media_type: 'text/plain', data: text };
}

function fileSource(fileId: string, param: string, { filesAllowed }: ContentContext): JsonObject {
  if (filesAllowed) return { type: 'file', file_id: fileId };
  throw unsupportedPart(param, "Files by id need the files API: name it in the 'anthropic-beta' header");
}

/** Anthropic fetches over HTTPS only. */
function remoteUrl(text: string, param: string, { features }: ContentContext): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw new GatewayError('invalid_image_url', `'${param}' is not a URL`, { param });
  if (url.protocol === 'https:' && features.image_url) return url;
  const what = features.image_url ? 'Only https URLs are' : 'Content by URL is not';
  throw new GatewayError('remote_media_not_supported', `${what} supported by this model: send the data itself`, {
    param,
  });
}

function unsupportedPart(param: string, message: string): GatewayError {
  return new GatewayError('unsupported_content_part', message, { param });
}
