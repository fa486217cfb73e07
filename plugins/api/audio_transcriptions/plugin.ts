import { declareApi } from '../declare-api.js';

/** OpenAI audio transcription: a multipart form. Engines end its streams in several ways, so their end is that of the body. */
export default declareApi({
  type: 'audio_transcriptions',
  paths: ['/v1/audio/transcriptions'],
  requestFormat: 'multipart',
  streams: true,
  terminator: 'eof',
  errorDialect: 'openai',
  requestIdPrefix: 'req-',
  requiresModel: true,
});
