import { declareApi } from '../declare-api.js';

/** Anthropic Messages and their token count. Served by workers that speak this dialect. */
export default declareApi({
  type: 'messages',
  paths: ['/v1/messages', '/v1/messages/count_tokens'],
  requestFormat: 'json',
  streams: true,
  terminator: 'message_stop',
  errorDialect: 'anthropic',
  requestIdPrefix: 'msg_',
  requiresModel: true,
});
