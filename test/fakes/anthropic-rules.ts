import type { MessageBody, MessagesBody } from './anthropic-schema.js';

/** What a model of the fake can do. */
export interface FakeModel {
  readonly maxTokens: number;
  readonly sampling: 'both' | 'one' | 'none';
  readonly thinking: readonly ('enabled' | 'adaptive')[];
  readonly structuredOutput: boolean;
  readonly prefill: boolean;
}

/** The models that there are, stated here and not read from the gateway's table. */
export const FAKE_MODELS: Readonly<Record<string, FakeModel>> = {
  'claude-3-5-haiku-latest': {
    maxTokens: 8192,
    sampling: 'both',
    thinking: [],
    structuredOutput: false,
    prefill: true,
  },
  'claude-sonnet-4-20250514': {
    maxTokens: 64_000,
    sampling: 'both',
    thinking: ['enabled'],
    structuredOutput: false,
    prefill: true,
  },
  'claude-sonnet-4-5': {
    maxTokens: 64_000,
    sampling: 'one',
    thinking: ['enabled'],
    structuredOutput: true,
    prefill: true,
  },
  'claude-opus-4-6': {
    maxTokens: 128_000,
    sampling: 'one',
    thinking: ['enabled', 'adaptive'],
    structuredOutput: true,
    prefill: false,
  },
  'claude-opus-4-7': {
    maxTokens: 128_000,
    sampling: 'none',
    thinking: ['adaptive'],
    structuredOutput: true,
    prefill: false,
  },
};

type Block = Exclude<MessageBody['content'], string>[number];

/** The first rule between fields that a body of the right shape breaks, in Anthropic's words; undefined: none. */
export function brokenRule(body: MessagesBody, model: FakeModel): string | undefined {
  return (
    sizeRule(body, model) ??
    samplingRule(body, model) ??
    thinkingRule(body, model) ??
    toolRule(body) ??
    formatRule(body, model) ??
    messagesRule(body, model)
  );
}

function sizeRule({ max_tokens }: MessagesBody, { maxTokens }: FakeModel): string | undefined {
  return max_tokens > maxTokens
    ? `max_tokens: ${max_tokens} > ${maxTokens}, which is the maximum allowed number of output tokens for this model`
    : undefined;
}

function samplingRule({ temperature, top_p, top_k }: MessagesBody, { sampling }: FakeModel): string | undefined {
  if (sampling === 'none') {
    const given = Object.entries({ temperature, top_p, top_k }).find(([, value]) => value !== undefined);
    return given === undefined ? undefined : `\`${given[0]}\` is not supported for this model.`;
  }
  if (sampling === 'one' && temperature !== undefined && top_p !== undefined) {
    return '`temperature` and `top_p` cannot both be specified for this model. Please use only one.';
  }
  return undefined;
}

function thinkingRule(body: MessagesBody, model: FakeModel): string | undefined {
  const { thinking, tool_choice, temperature, top_p, top_k, messages, max_tokens } = body;
  if (thinking === undefined || thinking.type === 'disabled') return undefined;
  if (!model.thinking.includes(thinking.type))
    return `thinking.type: '${thinking.type}' is not supported on this model.`;
  if (thinking.type === 'enabled' && thinking.budget_tokens >= max_tokens) {
    return '`max_tokens` must be greater than `thinking.budget_tokens`.';
  }
  if (tool_choice?.type === 'any' || tool_choice?.type === 'tool') {
    return 'Thinking may not be enabled when tool_choice forces tool use.';
  }
  if (temperature !== undefined && temperature !== 1)
    return '`temperature` may only be set to 1 when thinking is enabled.';
  if (top_k !== undefined) return '`top_k` must be unset when thinking is enabled.';
  if (top_p !== undefined && top_p < 0.95)
    return '`top_p` must be greater than or equal to 0.95 when thinking is enabled.';
  const last = messages.findLastIndex(({ role }) => role === 'assistant');
  if (last === messages.length - 1) return 'Pre-filling the response is not supported when thinking is enabled.';
  const blocks = blocksOf(messages[last]);
  const first = blocks[0]?.type;
  if (
    thinking.type === 'enabled' &&
    blocks.some(({ type }) => type === 'tool_use') &&
    first !== 'thinking' &&
    first !== 'redacted_thinking'
  ) {
    return `messages.${last}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${first}\`.`;
  }
  return undefined;
}

function toolRule({ tools, tool_choice, messages }: MessagesBody): string | undefined {
  const names = (tools ?? []).map((tool) => tool.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return `tools: Tool names must be unique.`;
  if (tool_choice !== undefined && names.length === 0)
    return 'tool_choice may only be specified while providing tools.';
  if (tool_choice?.type === 'tool' && !names.includes(tool_choice.name)) {
    return `Tool '${tool_choice.name}' not found in provided tools`;
  }
  const used = messages.some((message) =>
    blocksOf(message).some(({ type }) => type === 'tool_use' || type === 'tool_result'),
  );
  return used && names.length === 0
    ? 'Requests which include `tool_use` or `tool_result` blocks must define tools'
    : undefined;
}

const REFUSED_KEYWORDS = [
  'minimum',
  'maximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'maxItems',
  'uniqueItems',
  'not',
  'if',
];

function formatRule({ output_config, tools }: MessagesBody, model: FakeModel): string | undefined {
  const schema = output_config?.format?.schema;
  const strict = (tools ?? []).some((tool) => 'strict' in tool && tool.strict === true);
  if (schema === undefined && !strict) return undefined;
  if (!model.structuredOutput) return 'output_config.format: structured outputs are not supported for this model';
  return schema === undefined ? undefined : schemaRule(schema);
}

function schemaRule(node: unknown): string | undefined {
  if (typeof node !== 'object' || node === null) return undefined;
  const schema = node as Record<string, unknown>;
  if (schema.type === 'object' && schema.additionalProperties !== false) {
    return "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false";
  }
  const refused = REFUSED_KEYWORDS.find((keyword) => keyword in schema && typeof schema.type === 'string');
  if (refused !== undefined)
    return `output_config.format.schema: For '${String(schema.type)}' type, property '${refused}' is not supported`;
  for (const value of Object.values(schema)) {
    const broken = schemaRule(value);
    if (broken !== undefined) return broken;
  }
  return undefined;
}

function messagesRule({ messages }: MessagesBody, { prefill }: FakeModel): string | undefined {
  if (messages[0]?.role !== 'user') return 'messages: first message must use the "user" role';
  for (const [index, message] of messages.entries()) {
    const broken = contentRule(message, index, index === messages.length - 1) ?? pairRule(messages, index);
    if (broken !== undefined) return broken;
  }
  const last = messages.at(-1) as MessageBody;
  if (last.role !== 'assistant') return undefined;
  if (!prefill)
    return 'This model does not support assistant message prefill. The conversation must end with a user message.';
  const end = blocksOf(last).at(-1);
  const trailing = end?.type === 'text' && end.text !== end.text.trimEnd();
  return trailing ? 'messages: final assistant content cannot end with trailing whitespace' : undefined;
}

function contentRule(message: MessageBody, index: number, last: boolean): string | undefined {
  const blocks = blocksOf(message);
  if (blocks.length === 0 && !(last && message.role === 'assistant')) {
    return `messages.${index}: all messages must have non-empty content except for the optional final assistant message`;
  }
  for (const block of blocks) {
    if (block.type === 'text' && block.text === '') return 'messages: text content blocks must be non-empty';
    if (block.type === 'text' && block.text.trim() === '')
      return 'messages: text content blocks must contain non-whitespace text';
  }
  return undefined;
}

/** Every call is answered in the very next message, and nothing else is. */
function pairRule(messages: readonly MessageBody[], index: number): string | undefined {
  const called = blocksOf(messages[index]).flatMap((block) => (block.type === 'tool_use' ? [block.id] : []));
  const next = messages[index + 1];
  const answered = blocksOf(next).flatMap((block) => (block.type === 'tool_result' ? [block.tool_use_id] : []));
  const open = called.filter((id) => !answered.includes(id));
  if (open.length > 0) {
    return `messages.${index}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${open.join(', ')}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`;
  }
  const stray = answered.find((id) => !called.includes(id));
  if (stray !== undefined) {
    return `messages.${index + 1}.content.0: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${stray}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`;
  }
  const firstOther = blocksOf(next).findIndex(({ type }) => type !== 'tool_result');
  const lastResult = blocksOf(next).findLastIndex(({ type }) => type === 'tool_result');
  return firstOther !== -1 && firstOther < lastResult
    ? `messages.${index + 1}: \`tool_result\` blocks must come before other content`
    : undefined;
}

function blocksOf(message: MessageBody | undefined): readonly Block[] {
  if (message === undefined) return [];
  return typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : message.content;
}
