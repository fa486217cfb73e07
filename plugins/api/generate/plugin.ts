import { declareApi } from '../declare-api.js';

/** SGLang's native generation. */
export default declareApi({
  type: 'generate',
  paths: ['/generate'],
  requestFormat: 'json',
  streams: true,
  terminator: 'done',
  errorDialect: 'openai',
  requestIdPrefix: 'gnt-',
  requiresModel: false,
});
