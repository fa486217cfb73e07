import { type Conversation, GatewayError, type JsonObject } from '../../../core/api/index.js';
import { cleanSchema } from './clean-schema.js';
import type { GeminiFeatures } from './model-features.js';

export interface EncodedFormat {
  /** Fields of `generationConfig`. */
  readonly config: JsonObject;
  /** What must be asked for in words instead. */
  readonly instruction?: string;
}

/** What form the answer must have. Throws `response_format_not_supported` where a strict one cannot be promised. */
export function encodeResponseFormat(
  { responseFormat }: Conversation,
  hasFunctions: boolean,
  features: GeminiFeatures,
): EncodedFormat {
  if (responseFormat === undefined) return { config: {} };
  if (hasFunctions && !features.toolsCombine) return inWords(responseFormat);
  const config: JsonObject = { responseMimeType: 'application/json' };
  if (responseFormat.kind === 'json_object') return { config };
  if (features.jsonSchema) {
    const { $schema: _, ...schema } = responseFormat.schema;
    config.responseJsonSchema = schema;
  } else config.responseSchema = cleanSchema(responseFormat.schema, 'response');
  return { config };
}

/** Models before 3 refuse JSON mode beside functions. */
function inWords(format: NonNullable<Conversation['responseFormat']>): EncodedFormat {
  const rule = 'When you answer in text, answer with one JSON object and nothing else, without a code fence';
  if (format.kind === 'json_object') return { config: {}, instruction: `${rule}.` };
  if (format.strict) {
    throw new GatewayError(
      'response_format_not_supported',
      'This model cannot promise a strict JSON schema beside functions',
      { param: 'response_format' },
    );
  }
  return { config: {}, instruction: `${rule}. It must match this JSON schema: ${JSON.stringify(format.schema)}` };
}
