import { declareApi } from '../declare-api.js';

/** Sequence classification, under the paths of SGLang and vLLM. */
export default declareApi({
  type: 'classify',
  paths: ['/v1/classify', '/classify'],
  requestFormat: 'json',
  streams: false,
  terminator: 'eof',
  errorDialect: 'openai',
  requestIdPrefix: 'req-',
  requiresModel: true,
});
