import { declareApi } from '../declare-api.js';

/** Scores of texts or labels, under the paths of SGLang and vLLM. */
export default declareApi({
  type: 'score',
  paths: ['/v1/score', '/score'],
  requestFormat: 'json',
  streams: false,
  terminator: 'eof',
  errorDialect: 'openai',
  requestIdPrefix: 'req-',
  requiresModel: false,
});
