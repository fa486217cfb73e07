import {
  type Conversation,
  GatewayError,
  type ToolCallPart,
  type ToolResultPart,
  type Turn,
} from '../../../core/api/index.js';
import { toolArguments } from '../translate/tool-arguments.js';
import type { ToolNames } from '../translate/tool-names.js';
import { type ContentContext, encodeContentPart, encodeText, withCacheControl } from './content.js';
import type { RequestBlock, RequestMessage } from './messages-wire.js';
import { isSignedReasoning } from './reasoning.js';
import type { AnthropicSettings } from './settings.js';
import { toolUseId } from './tool-use-id.js';

const PLACEHOLDER = '.';
const NO_RESULT = '(no result)';

export interface TurnContext extends ContentContext {
  readonly settings: AnthropicSettings;
  readonly names: ToolNames;
  /** The model is told to think: signed thoughts of the history go back to it. */
  readonly thinking: boolean;
  /** Goes at the end of the system prompt. */
  readonly instruction: string | undefined;
}

export interface EncodedTurns {
  readonly system: string | readonly RequestBlock[] | undefined;
  readonly messages: readonly RequestMessage[];
}

interface OpenMessage {
  readonly role: 'user' | 'assistant';
  readonly blocks: RequestBlock[];
  /** Of its last turn. */
  param: string;
}

/** System turns apart, neighbours of one role in one message, the first one the user's. */
export function encodeTurns({ turns }: Conversation, context: TurnContext): EncodedTurns {
  const system: RequestBlock[] = [];
  const messages: OpenMessage[] = [];
  for (const turn of turns) {
    if (turn.role === 'system') pushSystem(system, turn);
    else addTurn(messages, turn, context);
  }
  if (context.settings.repair_tool_pairs) answerOpenCalls(messages);
  finishPrefill(messages, context);
  if (messages.length === 0) {
    throw new GatewayError('invalid_value', "'messages' must hold something that a user or an assistant said", {
      param: 'messages',
    });
  }
  if (messages[0]?.role !== 'user' && context.settings.placeholder_user_message) {
    messages.unshift({ role: 'user', blocks: [{ type: 'text', text: PLACEHOLDER }], param: '' });
  }
  if (context.instruction !== undefined) system.push({ type: 'text', text: context.instruction });
  return {
    system: system.length === 0 ? undefined : textOrBlocks(system),
    messages: messages.map(({ role, blocks }) => ({ role, content: textOrBlocks(blocks) })),
  };
}

function textOrBlocks(blocks: readonly RequestBlock[]): string | readonly RequestBlock[] {
  const only = blocks.length === 1 ? blocks[0] : undefined;
  return only?.type === 'text' && only.cache_control === undefined ? (only.text as string) : blocks;
}

function pushSystem(system: RequestBlock[], { parts }: Turn): void {
  for (const part of parts) {
    if (part.kind !== 'text') {
      throw new GatewayError('unsupported_content_part', 'A system message can hold text only', { param: part.param });
    }
    const block = encodeText(part);
    if (block !== undefined) system.push(block);
  }
}

function addTurn(messages: OpenMessage[], turn: Turn, context: TurnContext): void {
  const role = turn.role === 'assistant' ? 'assistant' : 'user';
  const blocks = role === 'assistant' ? assistantBlocks(turn, context) : userBlocks(turn, context);
  if (blocks.length === 0) return;
  const last = messages.at(-1);
  if (last?.role !== role) messages.push({ role, blocks, param: turn.param });
  else {
    last.blocks.push(...blocks);
    last.param = turn.param;
  }
}

function userBlocks({ parts, name }: Turn, context: TurnContext): RequestBlock[] {
  const blocks: RequestBlock[] = [];
  let prefix = context.settings.prefix_names && name !== undefined ? `${name}: ` : '';
  for (const part of parts) {
    const block = part.kind === 'tool_result' ? encodeToolResult(part, context) : encodeContentPart(part, context);
    if (block === undefined) continue;
    if (prefix !== '' && block.type === 'text') {
      blocks.push({ ...block, text: prefix + String(block.text) });
      prefix = '';
    } else blocks.push(block);
  }
  return blocks;
}

/** Thoughts stand first and calls last, as Anthropic wants them. */
function assistantBlocks({ parts }: Turn, context: TurnContext): RequestBlock[] {
  const thoughts: RequestBlock[] = [];
  const said: RequestBlock[] = [];
  const calls: RequestBlock[] = [];
  for (const part of parts) {
    if (part.kind === 'tool_call') calls.push(encodeToolCall(part, context.names));
    else if (part.kind === 'reasoning' || part.kind === 'redacted_reasoning') {
      if (context.thinking && isSignedReasoning(part)) thoughts.push(encodeReasoning(part));
    } else if (part.kind === 'text' || part.kind === 'refusal' || part.kind === 'vendor') {
      const block = encodeContentPart(part, context);
      if (block !== undefined) said.push(block);
    } else {
      // Anthropic's assistant neither shows nor says anything but text.
      context.params.drop(part.param);
    }
  }
  return thoughts.length === 0 && calls.length === 0 ? said : [...thoughts, ...said, ...calls];
}

function encodeReasoning(
  part: Extract<Turn['parts'][number], { kind: 'reasoning' | 'redacted_reasoning' }>,
): RequestBlock {
  if (part.kind === 'redacted_reasoning') return { type: 'redacted_thinking', data: part.data };
  return { type: 'thinking', thinking: part.text, signature: part.signature };
}

function encodeToolCall(part: ToolCallPart, names: ToolNames): RequestBlock {
  const input = toolArguments(part);
  return withCacheControl({ type: 'tool_use', id: toolUseId(part.id), name: names.toWorker(part.name), input }, part);
}

function encodeToolResult(part: ToolResultPart, context: TurnContext): RequestBlock {
  const blocks: RequestBlock[] = [];
  for (const inner of part.content) {
    const block = encodeContentPart(inner, context);
    if (block !== undefined) blocks.push(block);
  }
  return withCacheControl(
    {
      type: 'tool_result',
      tool_use_id: toolUseId(part.callId),
      ...(blocks.length === 0 ? {} : { content: textOrBlocks(blocks) }),
      ...(part.isError === true ? { is_error: true } : {}),
    },
    part,
  );
}

/** Calls that nobody answered get a result that says so, ahead of what else the user said. */
function answerOpenCalls(messages: OpenMessage[]): void {
  for (let i = 0; i < messages.length; i++) {
    const message = messages[i] as OpenMessage;
    if (message.role !== 'assistant') continue;
    const next = messages[i + 1];
    const answered = new Set(next?.blocks.map(({ tool_use_id: id }) => id));
    const missing = message.blocks
      .filter(({ type, id }) => type === 'tool_use' && !answered.has(id))
      .map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: NO_RESULT, is_error: true }));
    if (missing.length === 0) continue;
    if (next === undefined) messages.push({ role: 'user', blocks: missing, param: message.param });
    else next.blocks.unshift(...missing);
  }
}

/** A last message of the assistant is to be gone on with, which newer models do not do; it must not end in white space. */
function finishPrefill(messages: OpenMessage[], { features }: TurnContext): void {
  const last = messages.at(-1);
  if (last?.role !== 'assistant') return;
  if (!features.prefill) {
    throw new GatewayError('prefill_not_supported', 'With this model the last message must not be from the assistant', {
      param: last.param,
    });
  }
  const block = last.blocks.at(-1);
  if (block?.type === 'text') last.blocks[last.blocks.length - 1] = { ...block, text: String(block.text).trimEnd() };
}
