import * as z from 'zod';
import type { InferenceRequest, JsonObject } from '../../../core/api/index.js';

/**
 * Fields of engines that a cloud API refuses or does not mean. `request_id` to `backend_url` are what SMG strips for every
 * provider; the others reach clouds there, which answer 400.
 */
const ENGINE_FIELDS: readonly string[] = [
  'request_id',
  'priority',
  'top_k',
  'min_p',
  'min_tokens',
  'regex',
  'ebnf',
  'json_schema',
  'stop_token_ids',
  'no_stop_trim',
  'ignore_eos',
  'continue_final_message',
  'skip_special_tokens',
  'lora_path',
  'session_params',
  'separate_reasoning',
  'stream_reasoning',
  'chat_template',
  'chat_template_kwargs',
  'return_hidden_states',
  'repetition_penalty',
  'sampling_seed',
  'backend_url',
  'rid',
  'return_audio',
  'bootstrap_host',
  'bootstrap_port',
  'bootstrap_room',
  'data_parallel_rank',
  'return_meta_info',
  'guided_json',
  'guided_regex',
  'guided_choice',
  'guided_grammar',
  'structured_outputs',
  'add_generation_prompt',
  'mm_processor_kwargs',
];

const MAX_TOKENS_FIELDS = ['max_tokens', 'max_completion_tokens'] as const;

/** Settings of a provider that speaks OpenAI's API. `maxTokens`: what its chat API calls the limit. */
export function treatmentSchema(maxTokens: 'max_tokens' | 'max_completion_tokens' | 'as_sent') {
  return z.strictObject({
    strip_engine_fields: z
      .boolean()
      .default(true)
      .describe('Remove fields that only inference engines know (top_k, rid, ignore_eos, …). Default true.'),
    max_tokens_field: z
      .enum([...MAX_TOKENS_FIELDS, 'as_sent'])
      .default(maxTokens)
      .describe(`What its chat API calls the limit of tokens; as_sent: both are taken. Default ${maxTokens}.`),
    drop: z.array(z.string().min(1)).max(100).default([]).describe('Top-level fields to remove. Default none.'),
    rename: z
      .record(z.string(), z.string().min(1))
      .default({})
      .describe('Top-level fields to rename: old → new; a new one that is there already stays. Default none.'),
    set: z
      .record(z.string(), z.json())
      .default({})
      .describe('Top-level fields to add where the client does not send them. Default none.'),
    roles: z
      .record(z.string(), z.string().min(1))
      .default({})
      .describe('Roles of chat messages to rename, for services that know fewer: { developer: system }. Default none.'),
    reasoning_content: z
      .boolean()
      .optional()
      .describe(
        'Translated requests: send thoughts of earlier answers back as reasoning_content. Default: to engines only.',
      ),
    unsupported: z
      .enum(['drop', 'reject'])
      .default('drop')
      .describe(
        'Translated requests: what becomes of parameters that its chat API lacks. Default drop, and name them.',
      ),
  });
}

export type TreatmentSettings = z.output<ReturnType<typeof treatmentSchema>>;

/** Changes a request that is forwarded to a cloud API, field by field; what it does not name keeps its bytes. */
export class Treatment {
  readonly #settings: TreatmentSettings;
  readonly #dropped: readonly string[];
  readonly #renamed: readonly (readonly [string, string])[];
  readonly #set: readonly (readonly [string, string])[];

  constructor(settings: TreatmentSettings) {
    this.#settings = settings;
    this.#dropped = [...(settings.strip_engine_fields ? ENGINE_FIELDS : []), ...settings.drop];
    this.#renamed = Object.entries(settings.rename);
    this.#set = Object.entries(settings.set).map(([name, value]) => [name, JSON.stringify(value)]);
  }

  /** `request` is this attempt's own. */
  apply(request: InferenceRequest): void {
    if (request.format !== 'json') return;
    for (const name of this.#dropped) request.deleteField(name);
    for (const [from, to] of this.#renamed) renameField(request, from, to);
    const { max_tokens_field: limit, roles } = this.#settings;
    if (request.api === 'chat') {
      if (limit !== 'as_sent') {
        for (const name of MAX_TOKENS_FIELDS) if (name !== limit) renameField(request, name, limit);
      }
      renameRoles(request, roles);
    }
    for (const [name, json] of this.#set) if (request.rawField(name) === undefined) request.setField(name, json);
  }
}

/** The new name wins where both are there. */
function renameField(request: InferenceRequest, from: string, to: string): void {
  const value = request.rawField(from);
  if (value === undefined) return;
  if (request.rawField(to) === undefined) request.setField(to, value);
  request.deleteField(from);
}

function renameRoles(request: InferenceRequest, roles: Readonly<Record<string, string>>): void {
  const names = Object.keys(roles);
  if (names.length === 0) return;
  const raw = request.rawField('messages');
  if (raw === undefined || !names.some((name) => raw.includes(`"${name}"`))) return;
  const messages: unknown = JSON.parse(raw);
  if (!Array.isArray(messages)) return;
  const renamed = messages.map((message: unknown): unknown => {
    if (typeof message !== 'object' || message === null) return message;
    const { role } = message as JsonObject;
    return typeof role === 'string' && Object.hasOwn(roles, role) ? { ...message, role: roles[role] } : message;
  });
  request.setField('messages', JSON.stringify(renamed));
}
