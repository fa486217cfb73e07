import { declareApi } from '../declare-api.js';
import { readMessagesConversation } from './conversation.js';
import { checkMessagesEnvelope, completeHead } from './envelope.js';
import { createMessagesRenderer } from './renderer.js';
import { rewriteError } from './worker-error.js';

/** Anthropic Messages. */
export default declareApi({
  type: 'messages',
  paths: ['/v1/messages'],
  requestFormat: 'json',
  streams: true,
  terminator: 'message_stop',
  errorDialect: 'anthropic',
  markerHeader: 'anthropic-version',
  requestIdPrefix: 'msg_',
  requiresModel: true,
  completeHead,
  checkRequest: checkMessagesEnvelope,
  rewriteError,
  readConversation: readMessagesConversation,
  createRenderer: createMessagesRenderer,
});
