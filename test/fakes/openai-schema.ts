import * as z from 'zod';

/** The documented bodies of OpenAI's API, as far as the fake has its endpoints: what is not here is refused. */

const text = z.string();
const jsonObject = z.record(text, z.unknown());
const textParts = z.array(z.strictObject({ type: z.literal('text'), text })).min(1);

const userPart = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text'), text }),
  z.strictObject({
    type: z.literal('image_url'),
    image_url: z.strictObject({ url: text, detail: z.enum(['auto', 'low', 'high']).optional() }),
  }),
  z.strictObject({
    type: z.literal('input_audio'),
    input_audio: z.strictObject({ data: text, format: z.enum(['wav', 'mp3']) }),
  }),
  z.strictObject({
    type: z.literal('file'),
    file: z.strictObject({ file_data: text.optional(), file_id: text.optional(), filename: text.optional() }),
  }),
]);

const toolCall = z.discriminatedUnion('type', [
  z.strictObject({
    id: text,
    type: z.literal('function'),
    function: z.strictObject({ name: text, arguments: text }),
  }),
  z.strictObject({ id: text, type: z.literal('custom'), custom: z.strictObject({ name: text, input: text }) }),
]);

const name = text.optional();

const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('system'), content: z.union([text, textParts]), name }),
  z.strictObject({ role: z.literal('developer'), content: z.union([text, textParts]), name }),
  z.strictObject({ role: z.literal('user'), content: z.union([text, z.array(userPart).min(1)]), name }),
  z.strictObject({
    role: z.literal('assistant'),
    content: z
      .union([
        text,
        z.array(
          z.discriminatedUnion('type', [
            z.strictObject({ type: z.literal('text'), text }),
            z.strictObject({ type: z.literal('refusal'), refusal: text }),
          ]),
        ),
      ])
      .nullish(),
    name,
    refusal: text.nullish(),
    // Messages are sent back as they came.
    annotations: z.array(jsonObject).optional(),
    audio: z.strictObject({ id: text }).nullish(),
    tool_calls: z.array(toolCall).min(1).optional(),
    function_call: z.strictObject({ name: text, arguments: text }).nullish(),
  }),
  z.strictObject({ role: z.literal('tool'), content: z.union([text, textParts]), tool_call_id: text }),
  z.strictObject({ role: z.literal('function'), content: text.nullable(), name: text }),
]);

const tool = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('function'),
    function: z.strictObject({
      name: text.regex(/^[a-zA-Z0-9_-]{1,64}$/),
      description: text.optional(),
      parameters: jsonObject.optional(),
      strict: z.boolean().nullish(),
    }),
  }),
  z.strictObject({
    type: z.literal('custom'),
    custom: z.strictObject({ name: text, description: text.optional(), format: jsonObject.optional() }),
  }),
]);

const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('function'), function: z.strictObject({ name: text }) }),
    z.strictObject({ type: z.literal('custom'), custom: z.strictObject({ name: text }) }),
    z.strictObject({
      type: z.literal('allowed_tools'),
      allowed_tools: z.strictObject({ mode: z.enum(['auto', 'required']), tools: z.array(jsonObject) }),
    }),
  ]),
]);

const responseFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: text.regex(/^[a-zA-Z0-9_-]{1,64}$/),
      description: text.optional(),
      schema: jsonObject.optional(),
      strict: z.boolean().nullish(),
    }),
  }),
]);

export const chatSchema = z.strictObject({
  model: text,
  messages: z.array(message).min(1),
  audio: jsonObject.nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  function_call: z.union([z.enum(['none', 'auto']), z.strictObject({ name: text })]).optional(),
  functions: z.array(jsonObject).min(1).optional(),
  logit_bias: z.record(text, z.number()).nullish(),
  logprobs: z.boolean().nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  max_tokens: z.int().min(1).nullish(),
  metadata: z.record(text, text).nullish(),
  modalities: z.array(z.enum(['text', 'audio'])).nullish(),
  n: z.int().min(1).max(128).nullish(),
  parallel_tool_calls: z.boolean().optional(),
  prediction: jsonObject.nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  prompt_cache_key: text.nullish(),
  prompt_cache_retention: z.enum(['in_memory', '24h']).nullish(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']).nullish(),
  response_format: responseFormat.optional(),
  safety_identifier: text.max(64).nullish(),
  seed: z.int().nullish(),
  service_tier: z.enum(['auto', 'default', 'flex', 'scale', 'priority']).nullish(),
  stop: z.union([text, z.array(text).min(1).max(4)]).nullish(),
  store: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().optional(), include_obfuscation: z.boolean().optional() })
    .nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  tool_choice: toolChoice.optional(),
  tools: z.array(tool).min(1).max(128).optional(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  user: text.optional(),
  verbosity: z.enum(['low', 'medium', 'high']).nullish(),
  web_search_options: jsonObject.optional(),
});

export type ChatBody = z.output<typeof chatSchema>;

export const embeddingsSchema = z.strictObject({
  model: text,
  input: z.union([
    text.min(1),
    z.array(text).min(1).max(2048),
    z.array(z.int()).min(1),
    z.array(z.array(z.int())).min(1),
  ]),
  dimensions: z.int().min(1).optional(),
  encoding_format: z.enum(['float', 'base64']).optional(),
  user: text.optional(),
});

export type EmbeddingsBody = z.output<typeof embeddingsSchema>;
