import type { Seen } from './worker.js';

type Json = Readonly<Record<string, unknown>>;

function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? (value as Json[]) : [];
}

function child(value: unknown, ...keys: readonly string[]): unknown {
  let at = value;
  for (const key of keys) at = (at as Json | null | undefined)?.[key];
  return at;
}

/** A text, or the texts of its parts. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return list(content)
    .map(({ text }) => (typeof text === 'string' ? text : ''))
    .join('');
}

function strings(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? (value as string[]) : [];
}

const DATA_URL = /^data:([^;]+);base64,(.*)$/;

/** Reads a request of OpenAI's chat API. */
export function seenInChat(body: Json): Seen {
  const messages = list(body.messages);
  const parts = messages.flatMap(({ content }) => list(content));
  return {
    system: messages
      .flatMap(({ role, content }) => (role === 'system' || role === 'developer' ? [textOf(content)] : []))
      .join(''),
    images: parts.flatMap((part) => {
      if (part.type !== 'image_url') return [];
      const url = String(child(part, 'image_url', 'url'));
      const [, type, data] = DATA_URL.exec(url) ?? [];
      return [type === undefined ? url : `${type} ${data}`];
    }),
    tools: list(body.tools).map((tool) => String(child(tool, 'function', 'name'))),
    results: messages.flatMap(({ role, content }) => (role === 'tool' ? [textOf(content)] : [])),
    hasSchema: child(body.response_format, 'json_schema', 'schema') !== undefined,
    reasons: body.reasoning_effort !== undefined,
    stop: strings(body.stop),
    signatures: [],
  };
}

/** Reads a request of Anthropic's Messages API. */
export function seenInMessages(body: Json): Seen {
  const blocks = list(body.messages).flatMap(({ content }) => list(content));
  return {
    system: textOf(body.system),
    images: blocks.flatMap(({ type, source }) => {
      if (type !== 'image') return [];
      const url = child(source, 'url');
      return [url === undefined ? `${child(source, 'media_type')} ${child(source, 'data')}` : String(url)];
    }),
    tools: list(body.tools).map(({ name }) => String(name)),
    results: blocks.flatMap(({ type, content }) => (type === 'tool_result' ? [textOf(content)] : [])),
    hasSchema: child(body.output_config, 'format', 'schema') !== undefined,
    reasons: body.thinking !== undefined,
    stop: strings(body.stop_sequences),
    signatures: blocks.flatMap(({ type, signature }) => (type === 'thinking' ? [String(signature)] : [])),
  };
}

/** Reads a request of Gemini's `generateContent`. */
export function seenInGemini(body: Json): Seen {
  const parts = list(body.contents).flatMap((content) => list(content.parts));
  const config = body.generationConfig as Json | undefined;
  return {
    system: list(child(body.systemInstruction, 'parts'))
      .map(({ text }) => String(text))
      .join(''),
    images: parts.flatMap(({ inlineData, fileData }) => {
      if (fileData !== undefined) return [String(child(fileData, 'fileUri'))];
      return inlineData === undefined ? [] : [`${child(inlineData, 'mimeType')} ${child(inlineData, 'data')}`];
    }),
    tools: list(body.tools).flatMap((tool) => list(tool.functionDeclarations).map(({ name }) => String(name))),
    results: parts.flatMap(({ functionResponse }) =>
      functionResponse === undefined ? [] : [String(child(functionResponse, 'response', 'result'))],
    ),
    hasSchema: config?.responseJsonSchema !== undefined || config?.responseSchema !== undefined,
    reasons: config?.thinkingConfig !== undefined,
    stop: strings(config?.stopSequences),
    signatures: parts.flatMap(({ thoughtSignature }) =>
      thoughtSignature === undefined ? [] : [String(thoughtSignature)],
    ),
  };
}
