import { declareApi } from '../declare-api.js';

/** OpenAI Responses. Served by workers that speak this dialect. */
export default declareApi({
  type: 'responses',
  paths: ['/v1/responses'],
  requestFormat: 'json',
  streams: true,
  terminator: 'response_terminal',
  errorDialect: 'openai',
  requestIdPrefix: 'resp-',
  requiresModel: true,
});
