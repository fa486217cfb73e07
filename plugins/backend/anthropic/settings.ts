import * as z from 'zod';
import { ANTHROPIC_VERSION } from '../../../core/api/index.js';

/** What one model can do; see `model-features.ts` for what is built in. */
const modelFeaturesSchema = z.strictObject({
  match: z.string().min(1).describe('Model name, `*` stands for anything.'),
  sampling: z
    .enum(['both', 'one', 'none'])
    .optional()
    .describe('Which of `temperature`, `top_p`, `top_k` it takes: all, not temperature and top_p together, none.'),
  thinking: z
    .enum(['none', 'budget', 'adaptive', 'both'])
    .optional()
    .describe('How it is told to think: not at all, by a budget of tokens, as much as it sees fit, or either.'),
  effort: z.boolean().optional().describe('It takes `output_config.effort`.'),
  structured_output: z.boolean().optional().describe('It takes a JSON schema for its answer, and strict tools.'),
  prefill: z.boolean().optional().describe("The last message may be the assistant's, for it to go on with."),
  max_output_tokens: z
    .int()
    .min(1)
    .optional()
    .describe('Most tokens of an answer: the default of `max_tokens`, and its cap.'),
  image_url: z.boolean().optional().describe('It fetches images and documents by URL.'),
  pdf: z.boolean().optional().describe('It reads PDF documents.'),
});

export const anthropicSettingsSchema = z.strictObject({
  version: z
    .string()
    .min(1)
    .default(ANTHROPIC_VERSION)
    .describe('`anthropic-version` of requests whose caller names none.'),
  betas: z
    .array(z.string().regex(/^[\w.-]+$/))
    .default([])
    .describe("Names for `anthropic-beta`, added to the caller's."),
  default_max_tokens: z
    .int()
    .min(1)
    .default(4096)
    .describe("`max_tokens` of requests without it, where the model's own limit is not known."),
  unsupported: z
    .enum(['drop', 'reject'])
    .default('drop')
    .describe('Parameters that Anthropic does not have: left out and named in `x-smg-dropped-params`, or a 400.'),
  placeholder_user_message: z
    .boolean()
    .default(true)
    .describe("Puts a user's message (`.`) before a conversation that begins with the assistant."),
  prefix_names: z.boolean().default(false).describe('Writes `name: ` before what a named user says.'),
  repair_tool_pairs: z
    .boolean()
    .default(false)
    .describe('Answers tool calls that the history left open, instead of leaving the 400 to Anthropic.'),
  map_web_search: z.boolean().default(false).describe("Makes `web_search_options` Anthropic's web search tool."),
  models: z
    .array(modelFeaturesSchema)
    .default([])
    .describe('What models can do, by name, where the built-in table is wrong; later entries win.'),
});

export type AnthropicSettings = z.output<typeof anthropicSettingsSchema>;
export type ModelFeatureOverride = AnthropicSettings['models'][number];
