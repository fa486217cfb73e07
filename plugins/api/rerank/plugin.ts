import { declareApi } from '../declare-api.js';

/** Rerank, under the path that SGLang has and the one that vLLM and others have. */
export default declareApi({
  type: 'rerank',
  paths: ['/v1/rerank', '/rerank'],
  requestFormat: 'json',
  streams: false,
  terminator: 'eof',
  errorDialect: 'openai',
  requestIdPrefix: 'req-',
  requiresModel: false,
});
