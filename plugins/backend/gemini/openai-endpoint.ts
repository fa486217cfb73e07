import type { Backend, Clock, HeaderMap, InferenceRequest, UpstreamClient } from '../../../core/api/index.js';
import { HttpBackend } from '../http/http-backend.js';
import { TranslatedApis } from '../http/translated-apis.js';
import { Treatment } from '../http/treatment.js';
import { ChatDialect } from '../openai_chat/dialect.js';
import { CHAT_FLAVOURS, configuredFlavour } from '../openai_chat/flavour.js';
import type { GeminiSettings } from './settings.js';

const KEY_HEADER = 'x-goog-api-key';
/** What Google's endpoint for OpenAI's clients has. */
const OPENAI_APIS: readonly string[] = ['chat', 'embeddings'];
const MISSING_APIS: readonly string[] = [
  'generate',
  'count_tokens',
  'rerank',
  'classify',
  'score',
  'responses',
  'audio_transcriptions',
];

/**
 * Gemini by way of Google's endpoint for OpenAI's clients: chat is forwarded, other conversational apis become chat. It takes
 * the same key as a bearer token. From Google's page "OpenAI compatibility" of the Gemini API.
 */
export function createOpenAiEndpoint(settings: GeminiSettings, client: UpstreamClient, clock: Clock): Backend {
  const treatment = new Treatment(settings);
  const flavour = configuredFlavour(CHAT_FLAVOURS.gemini, settings);
  const forwarding = new HttpBackend(
    {
      type: 'gemini',
      nativeApis: OPENAI_APIS,
      missingApis: MISSING_APIS,
      prepare: (request, { headers }) => {
        treatment.apply(request);
        removeFalseLogprobs(request);
        useBearerToken(headers);
      },
      versionPath: '/v1beta/openai',
    },
    client,
  );
  return new TranslatedApis(forwarding, new ChatDialect(() => flavour, clock), {
    always: ['messages', 'completions'],
    whereMissing: [],
  });
}

/** It refuses the field for models without log probabilities, even where it asks for none. */
function removeFalseLogprobs(request: InferenceRequest): void {
  if (request.api === 'chat' && request.rawField('logprobs')?.trim() === 'false') request.deleteField('logprobs');
}

/** `credentials` has set the key as Google's own API takes it. */
function useBearerToken(headers: HeaderMap): void {
  const key = headers.get(KEY_HEADER);
  if (key === undefined) return;
  headers.delete(KEY_HEADER);
  headers.set('authorization', `Bearer ${key}`);
}
