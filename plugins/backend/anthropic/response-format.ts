import { type Conversation, GatewayError, type JsonObject } from '../../../core/api/index.js';
import { COMMON_TOOL_NAMES, ToolNames } from '../translate/tool-names.js';
import { toOutputSchema } from './json-schema.js';
import type { ModelFeatures } from './model-features.js';

const DEFAULT_TOOL_NAME = 'structured_output';
const PARAM = 'response_format';

/** How a model is brought to answer in the form that was asked for. */
export type ResponseFormatPlan =
  | { readonly kind: 'none' }
  /** `output_config.format`. */
  | { readonly kind: 'native'; readonly schema: JsonObject }
  /** A tool that the model must call: what it is called with is the answer. */
  | { readonly kind: 'forced_tool'; readonly name: string; readonly description: string; readonly schema: JsonObject }
  /** A sentence at the end of the system prompt. */
  | { readonly kind: 'instruction'; readonly text: string };

const JSON_OBJECT_INSTRUCTION =
  'Answer with one JSON object and nothing else: no explanation, no code fence, no text before or after it.';

/** The same for the same conversation and features, for the encoder and the decoder of a call. */
export function planResponseFormat(conversation: Conversation, features: ModelFeatures): ResponseFormatPlan {
  const format = conversation.responseFormat;
  if (format === undefined) return { kind: 'none' };
  if (format.kind === 'json_object') return { kind: 'instruction', text: JSON_OBJECT_INSTRUCTION };
  if (features.structured_output) {
    const schema = toOutputSchema(format.schema);
    if (schema !== undefined) return { kind: 'native', schema };
  }
  if (conversation.tools.length === 0 && isInputSchema(format.schema)) {
    return {
      kind: 'forced_tool',
      name: new ToolNames(COMMON_TOOL_NAMES, []).toWorker(format.name === '' ? DEFAULT_TOOL_NAME : format.name),
      description: format.description ?? 'Takes the answer, which must be given by calling this tool.',
      schema: format.schema,
    };
  }
  if (format.strict) {
    const message = `'${PARAM}' with strict: true cannot be kept by this model beside tools or with such a schema`;
    throw new GatewayError('response_format_not_supported', message, { param: PARAM });
  }
  const schema = JSON.stringify(format.schema);
  return { kind: 'instruction', text: `${JSON_OBJECT_INSTRUCTION} It must match this JSON schema:\n${schema}` };
}

function isInputSchema({ type }: JsonObject): boolean {
  return type === 'object';
}

const CODE_FENCE = /^\s*```[a-zA-Z]*\s*\n([\s\S]*?)\n?\s*```\s*$/;

/** What models put around JSON although they were told not to. */
export function stripCodeFence(text: string): string {
  return CODE_FENCE.exec(text)?.[1] ?? text;
}
