import { randomInt } from 'node:crypto';
import type { Clock } from '../../../core/api/index.js';
import { customToolNames } from '../translate/tool-arguments.js';
import { type ToolNameRule, ToolNames } from '../translate/tool-names.js';
import { UnsupportedParams } from '../translate/unsupported-params.js';
import type { WorkerDialect } from '../translate/worker-dialect.js';
import { GeminiDecoder } from './decoder.js';
import { encodeRequest } from './encode-request.js';
import { readGeminiError } from './errors.js';
import { ModelFeatures } from './model-features.js';
import { featureOverrides, type GeminiSettings } from './settings.js';
import { ThoughtSignatures } from './thought-signatures.js';
import { maySearch } from './tools.js';

const NAME_RULE: ToolNameRule = {
  valid: /^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$/,
  invalidCharacters: /[^A-Za-z0-9_.:-]/g,
  start: /^[A-Za-z_]/,
  maxLength: 64,
};

/** What a dialect takes from its surroundings. */
export interface GeminiServices {
  readonly clock: Clock;
  readonly signatures?: ThoughtSignatures;
  /** Ids for calls to which Gemini gives none. Default: `call_` and 24 random characters. */
  makeId?(): string;
}

/** Google's `generateContent`, as a dialect. */
export function createGeminiDialect(settings: GeminiSettings, services: GeminiServices): WorkerDialect {
  const { clock, signatures = new ThoughtSignatures(services.clock), makeId = randomCallId } = services;
  const models = new ModelFeatures(featureOverrides(settings.models));
  return {
    type: 'gemini',
    nativeApis: [],
    encode(conversation, call) {
      const model = (call.request?.model ?? '').replace(/^models\//, '');
      const { tools } = conversation;
      const names = new ToolNames(NAME_RULE, tools);
      const features = models.of(model);
      const unsupported = new UnsupportedParams(settings.unsupported);
      const context = { settings, features, names, unsupported, signatures };
      const createDecoder = (): GeminiDecoder =>
        new GeminiDecoder({
          names,
          customTools: customToolNames(tools),
          signatures,
          signatureInId: settings.signature_in_id ?? features.signaturesRequired,
          parallelCalls: conversation.parallelToolCalls !== false,
          codeInContent: settings.code_in_content,
          maySearch: maySearch(conversation),
          makeId,
        });
      return { ...encodeRequest(conversation, model, context), createDecoder };
    },
    readError: (status, headers, body) => readGeminiError(status, headers, body, clock.nowMs()),
  };
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

function randomCallId(): string {
  let id = 'call_';
  for (let i = 0; i < 24; i++) id += BASE62[randomInt(BASE62.length)];
  return id;
}
