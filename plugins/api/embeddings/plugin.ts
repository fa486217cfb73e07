import { declareApi } from '../declare-api.js';

/** OpenAI embeddings. */
export default declareApi({
  type: 'embeddings',
  paths: ['/v1/embeddings'],
  requestFormat: 'json',
  streams: false,
  terminator: 'eof',
  errorDialect: 'openai',
  requestIdPrefix: 'req-',
  requiresModel: true,
});
