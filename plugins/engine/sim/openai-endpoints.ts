import { handleChat } from './chat-endpoint.js';
import { handleCompletions } from './completions-endpoint.js';
import { type Endpoint, inferenceEndpoint, infoEndpoint } from './endpoint.js';
import type { SimExchange } from './exchange.js';
import { handleCountTokens, handleMessages } from './messages-endpoint.js';
import { errorBody, RequestRejected } from './rejection.js';
import { handleResponses } from './responses-endpoint.js';
import { SCORING_ENDPOINTS } from './scoring-endpoints.js';
import type { SimEngine } from './sim-engine.js';
import { handleTranscription } from './transcription-endpoint.js';

/** Prefix of the paths that describe one model. */
export const MODEL_PATH_PREFIX = '/v1/models/';

const OWNERS = { sglang: 'sglang', vllm: 'vllm', openai: 'system' } as const;

/** What every runtime speaks. */
export const OPENAI_ENDPOINTS: readonly Endpoint[] = [
  inferenceEndpoint('/v1/chat/completions', handleChat),
  inferenceEndpoint('/v1/completions', handleCompletions),
  inferenceEndpoint('/v1/responses', handleResponses),
  inferenceEndpoint('/v1/messages', handleMessages, 'anthropic'),
  inferenceEndpoint('/v1/messages/count_tokens', handleCountTokens, 'anthropic'),
  inferenceEndpoint('/v1/audio/transcriptions', handleTranscription),
  ...SCORING_ENDPOINTS,
  infoEndpoint('GET', '/v1/models', (engine, exchange) => {
    exchange.sendJson(200, { object: 'list', data: engine.config.models.map((model) => describeModel(engine, model)) });
  }),
];

/** `GET /v1/models/{id}`. */
export function handleModel(engine: SimEngine, exchange: SimExchange): void {
  const id = decodePathPart(exchange.path.slice(MODEL_PATH_PREFIX.length));
  if (engine.config.models.includes(id)) {
    exchange.sendJson(200, describeModel(engine, id));
    return;
  }
  const rejected = new RequestRejected(404, `The model \`${id}\` does not exist.`, 'model');
  exchange.sendJson(404, errorBody(engine.config.runtime, 'openai', rejected));
}

function describeModel(engine: SimEngine, id: string): object {
  const { runtime, context_length: contextLength } = engine.config;
  const created = Math.floor(engine.startedAtMs / 1_000);
  const model = { id, object: 'model', created, owned_by: OWNERS[runtime] };
  return runtime === 'openai' ? model : { ...model, root: id, parent: null, max_model_len: contextLength };
}

function decodePathPart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoded UTF-8: no model has such a name, and the answer shows what was asked for.
    return text;
  }
}
