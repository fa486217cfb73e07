import Anthropic from '@anthropic-ai/sdk';
import type { Answer, Ask, MatrixClient } from './client.js';

type Params = Anthropic.MessageCreateParamsNonStreaming;
type Block = Anthropic.ContentBlockParam;

const FINISH: Readonly<Record<string, Answer['finish']>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};

/** The `@anthropic-ai/sdk` package. */
export function anthropicClient(baseUrl: string, apiKey: string): MatrixClient {
  const client = new Anthropic({ baseURL: baseUrl, apiKey, maxRetries: 0 });
  const stream = (ask: Ask) => client.messages.create({ ...paramsOf(ask), stream: true });
  return {
    ask: async (ask, way) => {
      if (way === 'whole') return answerOf(await client.messages.create(paramsOf(ask)));
      return answerOf(await client.messages.stream(paramsOf(ask)).finalMessage());
    },
    read: async (ask, onText) => {
      for await (const event of await stream(ask)) onText(textOf(event));
    },
    leave: async (ask) => {
      for await (const event of await stream(ask)) if (textOf(event) !== '') return;
    },
    countTokens: async (ask) => {
      const { model, messages, system } = paramsOf(ask);
      const params = { model, messages, ...(system === undefined ? {} : { system }) };
      return (await client.messages.countTokens(params)).input_tokens;
    },
    errors: {
      bad_request: [Anthropic.BadRequestError, 400],
      not_found: [Anthropic.NotFoundError, 404],
      rate_limit: [Anthropic.RateLimitError, 429],
      overloaded: [Anthropic.InternalServerError, 529],
    },
    apiError: Anthropic.APIError,
    connectionError: Anthropic.APIConnectionError,
  };
}

function textOf(event: Anthropic.RawMessageStreamEvent): string {
  return event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? event.delta.text : '';
}

function paramsOf(ask: Ask): Params {
  const { model, text, system, image, tools, schema, reasons, stop, after } = ask;
  const content: Block[] = [{ type: 'text', text }];
  if (image !== undefined) content.push({ type: 'image', source: sourceOf(image) });
  const messages: Anthropic.MessageParam[] = [{ role: 'user', content }];
  if (after !== undefined) {
    messages.push({ role: 'assistant', content: (after.answer.turn as Anthropic.Message).content as Block[] });
    const results = after.results.map(([id, result]) => ({
      type: 'tool_result' as const,
      tool_use_id: id,
      content: result,
    }));
    messages.push({ role: 'user', content: results });
  }
  return {
    model,
    messages,
    max_tokens: 4096,
    ...(system === undefined ? {} : { system }),
    ...(tools === undefined ? {} : { tools: tools.map(toolOf) }),
    ...(schema === undefined ? {} : { output_config: { format: { type: 'json_schema', schema } } }),
    ...(reasons === undefined ? {} : { thinking: { type: 'enabled', budget_tokens: 2048 } }),
    ...(stop === undefined ? {} : { stop_sequences: [...stop] }),
  };
}

function sourceOf(url: string): Anthropic.Base64ImageSource | Anthropic.URLImageSource {
  const [, data] = /^data:image\/png;base64,(.*)$/.exec(url) ?? [];
  return data === undefined ? { type: 'url', url } : { type: 'base64', media_type: 'image/png', data };
}

function toolOf(name: string): Anthropic.Tool {
  const schema = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] };
  return { name, description: `Tells the ${name}.`, input_schema: schema };
}

function answerOf(message: Anthropic.Message): Answer {
  const { content, usage, stop_reason: reason } = message;
  const text = content.map((block) => (block.type === 'text' ? block.text : '')).join('');
  const cached = usage.cache_read_input_tokens ?? 0;
  return {
    model: message.model,
    text,
    reasoning: content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
    calls: content.flatMap((block) =>
      block.type === 'tool_use' ? [{ id: block.id, name: block.name, input: block.input }] : [],
    ),
    finish: FINISH[reason ?? ''] as Answer['finish'],
    matchedStop: message.stop_sequence ?? undefined,
    usage: {
      input: usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0),
      output: usage.output_tokens,
      cached,
    },
    choices: [text],
    turn: message,
  };
}
