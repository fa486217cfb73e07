import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { treatmentSchema } from '../http/treatment.js';
import type { FeatureOverride } from './model-features.js';

const featuresSchema = z.strictObject({
  match: z.string().min(1).describe('Model name; `*` stands for any characters.'),
  thinking: z.enum(['none', 'budget', 'level']).optional().describe('How the amount of thinking is said.'),
  min_thinking_budget: z
    .int()
    .min(0)
    .optional()
    .describe('Least budget, tokens; 0 where thinking can be switched off.'),
  max_thinking_budget: z.int().min(1).optional().describe('Largest budget, tokens.'),
  thinking_levels: z
    .array(z.enum(['minimal', 'medium']))
    .optional()
    .describe('Levels besides low and high.'),
  json_schema: z.boolean().optional().describe('Takes JSON Schema as it is; else it is cleaned to what OpenAPI knows.'),
  tools_combine: z.boolean().optional().describe('Functions may stand beside JSON answers and Google tools.'),
  validated_calls: z.boolean().optional().describe('Knows the mode VALIDATED, for strict functions.'),
  penalties: z.boolean().optional().describe('Takes frequency and presence penalties.'),
  media_resolution: z.boolean().optional().describe('Takes the resolution of single images.'),
  image_url: z.boolean().optional().describe('Fetches media from any https address itself.'),
  multimodal_results: z.boolean().optional().describe('Results of functions may hold images.'),
  signatures_required: z.boolean().optional().describe('Refuses calls in history without thought signature.'),
});

/** Of the way through Google's endpoint for OpenAI's clients. */
const treatment = treatmentSchema('as_sent');
const nativeShape = {
  unsupported: z
    .enum(['drop', 'reject'])
    .default('drop')
    .describe(
      'Parameters that Gemini has no word for: drop them and name them in `x-smg-dropped-params` (default), or reject the request.',
    ),
  map_web_search: z
    .boolean()
    .default(false)
    .describe('Turn web search tools of other dialects into Google Search. Default false: they are not supported.'),
  code_in_content: z
    .boolean()
    .default(true)
    .describe('Show code that the model ran, and its output, in the text of the answer. Default true.'),
  signature_in_id: z
    .boolean()
    .optional()
    .describe(
      'Carry thought signatures in the ids of tool calls, for clients that send back nothing else. Default: for models that want them back.',
    ),
  models: z
    .array(featuresSchema)
    .default([])
    .describe('What models take, by name, where the built-in table is wrong; later entries win.'),
};

/** Settings that only one of the two dialects has: stated under the other one they would say nothing. */
const OWN_SETTINGS = {
  native: Object.keys(nativeShape).filter((name) => name !== 'unsupported'),
  openai: Object.keys(treatment.shape).filter((name) => name !== 'unsupported'),
} as const;

const DIALECTS = ['native', 'openai'] as const;

/** Settings of Gemini workers. */
export const configSchema = z
  .strictObject({
    dialect: z
      .enum(DIALECTS)
      .default('native')
      .describe(
        "How it is spoken to: by Google's own API, or by its endpoint for OpenAI's clients, `/v1beta/openai`. Default native.",
      ),
    ...treatment.shape,
    ...nativeShape,
  })
  .superRefine((settings, context) => {
    const other = settings.dialect === 'native' ? 'openai' : 'native';
    for (const name of OWN_SETTINGS[other]) {
      if (isDeepStrictEqual(settings[name as keyof typeof settings], DEFAULTS[name])) continue;
      context.addIssue({ code: 'custom', path: [name], message: `has an effect with \`dialect: ${other}\` only` });
    }
  });

const DEFAULTS: Readonly<Record<string, unknown>> = {
  ...treatment.parse({}),
  ...z.strictObject(nativeShape).parse({}),
};

export type GeminiSettings = z.output<typeof configSchema>;

type FeatureSettings = z.output<typeof featuresSchema>;

/** The `models` of the settings in the names of the code. */
export function featureOverrides(models: GeminiSettings['models']): FeatureOverride[] {
  return models.map((settings) => ({ pattern: settings.match, features: toFeatures(settings) }));
}

function toFeatures(settings: FeatureSettings): FeatureOverride['features'] {
  const features = {
    thinking: settings.thinking,
    minThinkingBudget: settings.min_thinking_budget,
    maxThinkingBudget: settings.max_thinking_budget,
    thinkingLevels: settings.thinking_levels,
    jsonSchema: settings.json_schema,
    toolsCombine: settings.tools_combine,
    validatedCalls: settings.validated_calls,
    penalties: settings.penalties,
    mediaResolution: settings.media_resolution,
    imageUrl: settings.image_url,
    multimodalResults: settings.multimodal_results,
    signaturesRequired: settings.signatures_required,
  };
  return Object.fromEntries(Object.entries(features).filter(([, value]) => value !== undefined));
}
