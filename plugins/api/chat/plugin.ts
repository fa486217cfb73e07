import { declareApi } from '../declare-api.js';
import { readChatConversation } from './conversation.js';
import { createChatRenderer } from './renderer.js';

/** OpenAI chat completions. */
export default declareApi({
  type: 'chat',
  paths: ['/v1/chat/completions'],
  requestFormat: 'json',
  streams: true,
  terminator: 'done',
  errorDialect: 'openai',
  requestIdPrefix: 'chatcmpl-',
  requiresModel: true,
  readConversation: readChatConversation,
  createRenderer: createChatRenderer,
});
