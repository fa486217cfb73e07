import audioTranscriptions from './audio_transcriptions/plugin.js';
import chat from './chat/plugin.js';
import classify from './classify/plugin.js';
import completions from './completions/plugin.js';
import countTokens from './count_tokens/plugin.js';
import embeddings from './embeddings/plugin.js';
import generate from './generate/plugin.js';
import messages from './messages/plugin.js';
import rerank from './rerank/plugin.js';
import responses from './responses/plugin.js';
import score from './score/plugin.js';

/** The built-in client apis. */
export const clientApis = [
  chat,
  completions,
  embeddings,
  rerank,
  classify,
  score,
  generate,
  messages,
  countTokens,
  responses,
  audioTranscriptions,
] as const;
