import { declareApi } from '../declare-api.js';
import { readCompletionsConversation } from './conversation.js';
import { createCompletionsRenderer } from './renderer.js';

/** OpenAI text completions. */
export default declareApi({
  type: 'completions',
  paths: ['/v1/completions'],
  requestFormat: 'json',
  streams: true,
  terminator: 'done',
  errorDialect: 'openai',
  requestIdPrefix: 'cmpl-',
  requiresModel: true,
  readConversation: readCompletionsConversation,
  createRenderer: createCompletionsRenderer,
});
