import {
  type AudioPart,
  type DocumentPart,
  GatewayError,
  type ImagePart,
  type MediaSource,
  type Part,
  type VideoPart,
} from '../../../core/api/index.js';
import type { GeminiFeatures } from './model-features.js';
import type { GeminiPart } from './wire.js';

export type MediaPart = ImagePart | DocumentPart | AudioPart | VideoPart;

export function isMedia(part: Part): part is MediaPart {
  return part.kind === 'image' || part.kind === 'document' || part.kind === 'audio' || part.kind === 'video';
}

const FILES_BASE = 'https://generativelanguage.googleapis.com/v1beta/';
const FILES_URI = /^https:\/\/generativelanguage\.googleapis\.com\/v\d\w*\/files\//;
const YOUTUBE = /^https:\/\/(?:(?:www\.|m\.)?youtube\.com\/(?:watch\?|shorts\/|live\/|embed\/)|youtu\.be\/)/;

const MIME_BY_EXTENSION: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  heif: 'image/heif',
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  html: 'text/html',
  csv: 'text/csv',
  wav: 'audio/wav',
  mp3: 'audio/mp3',
  aac: 'audio/aac',
  ogg: 'audio/ogg',
  flac: 'audio/flac',
  mp4: 'video/mp4',
  mov: 'video/mov',
  mpeg: 'video/mpeg',
  mpg: 'video/mpg',
  webm: 'video/webm',
  avi: 'video/avi',
  wmv: 'video/wmv',
};

const RESOLUTIONS: Readonly<Record<string, string>> = { low: 'MEDIA_RESOLUTION_LOW', high: 'MEDIA_RESOLUTION_HIGH' };

/** An image, document, sound or film as a part. Throws `remote_media_not_supported` for what Gemini would have to fetch. */
export function encodeMedia(part: MediaPart, features: GeminiFeatures): GeminiPart {
  const encoded = encodeSource(part.source, part.param, features);
  if (part.kind === 'image' && features.mediaResolution) {
    const level = RESOLUTIONS[part.detail ?? ''];
    if (level !== undefined) encoded.mediaResolution = { level };
  }
  return encoded;
}

function encodeSource(source: MediaSource, param: string, features: GeminiFeatures): GeminiPart {
  switch (source.kind) {
    case 'base64':
      return { inlineData: { mimeType: source.mediaType, data: source.data } };
    case 'text': {
      const data = Buffer.from(source.text, 'utf8').toString('base64');
      return { inlineData: { mimeType: source.mediaType, data } };
    }
    case 'file':
      return encodeFile(source.fileId, param);
    case 'url':
      return encodeUrl(source.url, source.mediaType, param, features);
  }
}

/** Ids of Google's Files API are `files/…`; its URIs count as ids too. */
function encodeFile(fileId: string, param: string): GeminiPart {
  if (FILES_URI.test(fileId)) return { fileData: { fileUri: fileId } };
  if (fileId.startsWith('files/')) return { fileData: { fileUri: FILES_BASE + fileId } };
  throw new GatewayError('unsupported_content_part', 'This file is not one of the worker: its ids begin with files/', {
    param,
  });
}

function encodeUrl(url: string, stated: string | undefined, param: string, features: GeminiFeatures): GeminiPart {
  const mimeType = stated ?? mimeByExtension(url);
  if (url.startsWith('gs://')) {
    if (mimeType === undefined) {
      const message = 'A gs:// URL must end in a file extension that tells its media type';
      throw new GatewayError('invalid_image_url', message, { param });
    }
    return { fileData: { fileUri: url, mimeType } };
  }
  const isKnown = FILES_URI.test(url) || YOUTUBE.test(url);
  if (isKnown || (features.imageUrl && url.startsWith('https://'))) {
    const typed = mimeType !== undefined && !YOUTUBE.test(url);
    return { fileData: { fileUri: url, ...(typed ? { mimeType } : {}) } };
  }
  const message = 'The worker of this model fetches no media from URLs: send it as a data: URL';
  throw new GatewayError('remote_media_not_supported', message, { param });
}

function mimeByExtension(url: string): string | undefined {
  const path = url.split(/[?#]/, 1)[0] as string;
  const extension = /\.([A-Za-z0-9]+)$/.exec(path)?.[1];
  return extension === undefined ? undefined : MIME_BY_EXTENSION[extension.toLowerCase()];
}
