import { declareApi } from '../declare-api.js';
import { readCountedConversation } from '../messages/conversation.js';
import { checkCountedEnvelope, completeHead } from '../messages/envelope.js';
import { rewriteError } from '../messages/worker-error.js';
import { createCountRenderer } from './renderer.js';

/** How many tokens a request of Anthropic's Messages would be. */
export default declareApi({
  type: 'count_tokens',
  paths: ['/v1/messages/count_tokens'],
  requestFormat: 'json',
  streams: false,
  terminator: 'eof',
  errorDialect: 'anthropic',
  requestIdPrefix: 'msg_',
  requiresModel: true,
  generates: false,
  completeHead,
  checkRequest: checkCountedEnvelope,
  rewriteError,
  readConversation: readCountedConversation,
  createRenderer: createCountRenderer,
});
