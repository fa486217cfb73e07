import type { Conversation, JsonObject, Part, ToolDeclaration, Turn } from '../../../core/api/index.js';

/**
 * What an engine's `/tokenize` takes: `messages` a conversation that goes through the model's chat template (vLLM);
 * `prompt` plain text (SGLang), to which the template's own tokens are missing.
 */
export type TokenizeInput = 'messages' | 'prompt';

/** Body of `/tokenize` for a conversation. What is no text (images, sounds) is left out. */
export function tokenizeBody(conversation: Conversation, model: string | undefined, input: TokenizeInput): JsonObject {
  const { turns, tools } = conversation;
  const declared = tools.filter(isFunction).map(({ name, description, parameters }) => ({
    type: 'function',
    function: { name, description, parameters },
  }));
  if (input === 'prompt') {
    const texts = turns.flatMap(({ parts }) => parts.map(partText));
    if (declared.length > 0) texts.push(JSON.stringify(declared));
    return { model, prompt: texts.filter((text) => text !== '').join('\n') };
  }
  const messages = turns.flatMap(chatMessages);
  return { model, messages, ...(declared.length === 0 ? {} : { tools: declared }), add_generation_prompt: true };
}

type FunctionTool = Extract<ToolDeclaration, { kind: 'function' }>;

function isFunction(tool: ToolDeclaration): tool is FunctionTool {
  return tool.kind === 'function';
}

function chatMessages(turn: Turn): JsonObject[] {
  if (turn.role === 'tool') {
    return turn.parts.map((part) => ({
      role: 'tool',
      tool_call_id: part.kind === 'tool_result' ? part.callId : '',
      content: partText(part),
    }));
  }
  const content = turn.parts.map((part) => (part.kind === 'tool_call' ? '' : partText(part)));
  const calls = turn.parts.flatMap((part) =>
    part.kind === 'tool_call'
      ? [{ id: part.id, type: 'function', function: { name: part.name, arguments: part.arguments } }]
      : [],
  );
  return [{ role: turn.role, content: content.join(''), ...(calls.length === 0 ? {} : { tool_calls: calls }) }];
}

function partText(part: Part): string {
  switch (part.kind) {
    case 'text':
    case 'refusal':
    case 'reasoning':
      return part.text;
    case 'document':
      return part.source.kind === 'text' ? part.source.text : '';
    case 'tool_call':
      return `${part.name}${part.arguments}`;
    case 'tool_result':
      return part.content.map(partText).join('\n');
    default:
      return '';
  }
}
