import * as z from 'zod';
import { ANTHROPIC_VERSION } from '../../../core/api/index.js';

/** What one model can do; see `model-features.ts` for what is built in. */
const modelFeaturesSchema = z.strictObject({
  /** Model name, `*` stands for anything. */
  match: z.string().min(1),
  /** Which of `temperature`, `top_p`, `top_k` it takes: all, not temperature and top_p together, none. */
  sampling: z.enum(['both', 'one', 'none']).optional(),
  /** How it is told to think: not at all, by a budget of tokens, as much as it sees fit, or either. */
  thinking: z.enum(['none', 'budget', 'adaptive', 'both']).optional(),
  /** It takes `output_config.effort`. */
  effort: z.boolean().optional(),
  /** It takes a JSON schema for its answer, and strict tools. */
  structured_output: z.boolean().optional(),
  /** The last message may be the assistant's, for it to go on with. */
  prefill: z.boolean().optional(),
  /** Most tokens of an answer: the default of `max_tokens`, and its cap. */
  max_output_tokens: z.int().min(1).optional(),
  /** It fetches images and documents by URL. */
  image_url: z.boolean().optional(),
  /** It reads PDF documents. */
  pdf: z.boolean().optional(),
});

export const anthropicSettingsSchema = z.strictObject({
  /** `anthropic-version` of requests whose caller names none. */
  version: z.string().min(1).default(ANTHROPIC_VERSION),
  /** Names for `anthropic-beta`, added to the caller's. */
  betas: z.array(z.string().regex(/^[\w.-]+$/)).default([]),
  /** `max_tokens` of requests without it, where the model's own limit is not known. */
  default_max_tokens: z.int().min(1).default(4096),
  /** Parameters that Anthropic does not have: left out and named in `x-smg-dropped-params`, or a 400. */
  unsupported: z.enum(['drop', 'reject']).default('drop'),
  /** Puts a user's message (`.`) before a conversation that begins with the assistant. */
  placeholder_user_message: z.boolean().default(true),
  /** Writes `name: ` before what a named user says. */
  prefix_names: z.boolean().default(false),
  /** Answers tool calls that the history left open, instead of leaving the 400 to Anthropic. */
  repair_tool_pairs: z.boolean().default(false),
  /** Makes `web_search_options` Anthropic's web search tool. */
  map_web_search: z.boolean().default(false),
  /** What models can do, before what is built in. The first entry that matches and has the field counts. */
  model_features: z.array(modelFeaturesSchema).default([]),
});

export type AnthropicSettings = z.output<typeof anthropicSettingsSchema>;
export type ModelFeatureOverride = AnthropicSettings['model_features'][number];
