import * as z from 'zod';

/** Body of `POST /v1/messages` as Anthropic's API reference documents it: strict, since the real one refuses unknown fields. */

const cacheControl = z
  .strictObject({ type: z.literal('ephemeral'), ttl: z.enum(['5m', '1h']).optional() })
  .nullable()
  .optional();
const id = z.string().regex(/^[a-zA-Z0-9_-]+$/);
const name = z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/);
const base64 = z.string().regex(/^[A-Za-z0-9+/]+={0,2}$/);
const object = z.record(z.string(), z.unknown());

const text = z.strictObject({
  type: z.literal('text'),
  text: z.string(),
  cache_control: cacheControl,
  citations: z.array(object).nullable().optional(),
});
const urlSource = z.strictObject({ type: z.literal('url'), url: z.string().regex(/^https:\/\//) });
const fileSource = z.strictObject({ type: z.literal('file'), file_id: z.string() });
const image = z.strictObject({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('base64'),
      media_type: z.enum(['image/jpeg', 'image/png', 'image/gif', 'image/webp']),
      data: base64,
    }),
    urlSource,
    fileSource,
  ]),
  cache_control: cacheControl,
});
const document = z.strictObject({
  type: z.literal('document'),
  source: z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('base64'), media_type: z.literal('application/pdf'), data: base64 }),
    z.strictObject({ type: z.literal('text'), media_type: z.literal('text/plain'), data: z.string() }),
    z.strictObject({ type: z.literal('content'), content: z.union([z.string(), z.array(z.union([text, image]))]) }),
    urlSource,
    fileSource,
  ]),
  title: z.string().nullable().optional(),
  context: z.string().nullable().optional(),
  citations: z.strictObject({ enabled: z.boolean().optional() }).nullable().optional(),
  cache_control: cacheControl,
});
const toolResult = z.strictObject({
  type: z.literal('tool_result'),
  tool_use_id: id,
  content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, image, document]))]).optional(),
  is_error: z.boolean().optional(),
  cache_control: cacheControl,
});
const toolUse = z.strictObject({
  type: z.literal('tool_use'),
  id,
  name,
  input: object,
  cache_control: cacheControl,
});
const thinking = z.strictObject({ type: z.literal('thinking'), thinking: z.string(), signature: z.string().min(1) });
const redactedThinking = z.strictObject({ type: z.literal('redacted_thinking'), data: z.string().min(1) });
/** Blocks of server tools in a history: only what tells them apart. */
const serverToolUse = z.looseObject({ type: z.literal('server_tool_use'), id, name, input: object });
const webSearchResult = z.looseObject({ type: z.literal('web_search_tool_result'), tool_use_id: id });

const userBlock = z.discriminatedUnion('type', [text, image, document, toolResult]);
const assistantBlock = z.discriminatedUnion('type', [
  text,
  toolUse,
  thinking,
  redactedThinking,
  serverToolUse,
  webSearchResult,
]);

const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('user'), content: z.union([z.string(), z.array(userBlock)]) }),
  z.strictObject({ role: z.literal('assistant'), content: z.union([z.string(), z.array(assistantBlock)]) }),
]);

const customTool = z.strictObject({
  type: z.literal('custom').nullable().optional(),
  name,
  description: z.string().optional(),
  input_schema: z.looseObject({ type: z.literal('object') }),
  strict: z.boolean().optional(),
  cache_control: cacheControl,
});
const webSearchTool = z.strictObject({
  type: z.literal('web_search_20250305'),
  name: z.literal('web_search'),
  max_uses: z.int().min(1).nullable().optional(),
  allowed_domains: z.array(z.string()).nullable().optional(),
  blocked_domains: z.array(z.string()).nullable().optional(),
  user_location: z
    .strictObject({
      type: z.literal('approximate'),
      city: z.string().nullable().optional(),
      region: z.string().nullable().optional(),
      country: z.string().nullable().optional(),
      timezone: z.string().nullable().optional(),
    })
    .nullable()
    .optional(),
  cache_control: cacheControl,
});

const serial = { disable_parallel_tool_use: z.boolean().optional() };

const shared = {
  model: z.string().min(1),
  messages: z.array(message).min(1),
  system: z.union([z.string(), z.array(text)]).optional(),
  tools: z.array(z.union([customTool, webSearchTool])).optional(),
  tool_choice: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('auto'), ...serial }),
      z.strictObject({ type: z.literal('any'), ...serial }),
      z.strictObject({ type: z.literal('tool'), name, ...serial }),
      z.strictObject({ type: z.literal('none') }),
    ])
    .optional(),
  thinking: z
    .discriminatedUnion('type', [
      z.strictObject({
        type: z.literal('enabled'),
        budget_tokens: z.int().min(1024),
        display: z.enum(['summarized', 'omitted']).nullable().optional(),
      }),
      z.strictObject({ type: z.literal('adaptive'), display: z.enum(['summarized', 'omitted']).nullable().optional() }),
      z.strictObject({ type: z.literal('disabled') }),
    ])
    .optional(),
  output_config: z
    .strictObject({
      effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullable().optional(),
      format: z
        .strictObject({ type: z.literal('json_schema'), schema: object })
        .nullable()
        .optional(),
    })
    .optional(),
  cache_control: cacheControl,
};

export const messagesBody = z.strictObject({
  ...shared,
  max_tokens: z.int().min(1),
  temperature: z.number().min(0).max(1).optional(),
  top_p: z.number().min(0).max(1).optional(),
  top_k: z.int().min(0).optional(),
  stop_sequences: z.array(z.string().min(1)).optional(),
  stream: z.boolean().optional(),
  metadata: z.strictObject({ user_id: z.string().max(256).nullable().optional() }).optional(),
  service_tier: z.enum(['auto', 'standard_only']).optional(),
  container: z.union([z.string(), object]).nullable().optional(),
  context_management: object.nullable().optional(),
  mcp_servers: z.array(object).optional(),
});

export const countTokensBody = z.strictObject(shared);

export type MessagesBody = z.output<typeof messagesBody>;
export type MessageBody = z.output<typeof message>;
