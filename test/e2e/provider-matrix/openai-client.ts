import OpenAI from 'openai';
import type { Answer, AnswerCall, Ask, MatrixClient } from './client.js';

type Params = OpenAI.ChatCompletionCreateParamsNonStreaming;
type Message = OpenAI.ChatCompletionMessage & { readonly reasoning_content?: string };

/** The `openai` package. */
export function openAiClient(baseUrl: string, apiKey: string): MatrixClient {
  const client = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey, maxRetries: 0 });
  const stream = (ask: Ask) => client.chat.completions.create({ ...paramsOf(ask), stream: true });
  return {
    ask: async (ask, way) => {
      if (way === 'whole') return answerOf(await client.chat.completions.create(paramsOf(ask)));
      const params = { ...paramsOf(ask), stream: true as const, stream_options: { include_usage: true } };
      const helper = client.chat.completions.stream(params);
      // Of fields that it does not know the SDK keeps the last piece only.
      let reasoning = '';
      helper.on('chunk', ({ choices }) => {
        reasoning += (choices[0]?.delta as { reasoning_content?: string } | undefined)?.reasoning_content ?? '';
      });
      return { ...answerOf(await helper.finalChatCompletion()), reasoning };
    },
    read: async (ask, onText) => {
      for await (const { choices } of await stream(ask)) onText(choices[0]?.delta.content ?? '');
    },
    leave: async (ask) => {
      for await (const { choices } of await stream(ask)) if (choices[0]?.delta.content) return;
    },
    countTokens: () => Promise.reject(new Error('no such endpoint')),
    errors: {
      bad_request: [OpenAI.BadRequestError, 400],
      not_found: [OpenAI.NotFoundError, 404],
      rate_limit: [OpenAI.RateLimitError, 429],
      overloaded: [OpenAI.InternalServerError, 503],
    },
    apiError: OpenAI.APIError,
    connectionError: OpenAI.APIConnectionError,
  };
}

function paramsOf(ask: Ask): Params {
  const { model, text, system, image, tools, schema, reasons, stop, choices, after } = ask;
  const messages: OpenAI.ChatCompletionMessageParam[] = [];
  if (system !== undefined) messages.push({ role: 'system', content: system });
  messages.push({
    role: 'user',
    content:
      image === undefined
        ? text
        : [
            { type: 'text', text },
            { type: 'image_url', image_url: { url: image } },
          ],
  });
  if (after !== undefined) {
    messages.push(after.answer.turn as Message);
    for (const [id, content] of after.results) messages.push({ role: 'tool', tool_call_id: id, content });
  }
  return {
    model,
    messages,
    max_completion_tokens: 4096,
    ...(tools === undefined ? {} : { tools: tools.map(toolOf) }),
    ...(schema === undefined
      ? {}
      : { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } } }),
    ...(reasons === undefined ? {} : { reasoning_effort: 'medium' }),
    ...(stop === undefined ? {} : { stop: [...stop] }),
    ...(choices === undefined ? {} : { n: choices }),
  };
}

function toolOf(name: string): OpenAI.ChatCompletionTool {
  const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
  return { type: 'function', function: { name, description: `Tells the ${name}.`, parameters } };
}

function answerOf({ model, choices, usage }: OpenAI.ChatCompletion): Answer {
  const [choice] = choices;
  if (choice === undefined || usage === undefined) throw new Error('no choice, or no usage');
  const message = choice.message as Message;
  const { matched_stop: matchedStop } = choice as { matched_stop?: string };
  return {
    model,
    text: message.content ?? '',
    reasoning: message.reasoning_content ?? '',
    calls: (message.tool_calls ?? []).map(callOf),
    finish: choice.finish_reason as Answer['finish'],
    matchedStop: typeof matchedStop === 'string' ? matchedStop : undefined,
    usage: {
      input: usage.prompt_tokens,
      output: usage.completion_tokens,
      cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
    },
    choices: choices.map(({ message: { content } }) => content ?? ''),
    turn: withoutParsed(message),
  };
}

/** Without what the SDK's helper adds: no API takes it back. */
function withoutParsed(message: Message): object {
  const { parsed: _, tool_calls: calls, ...turn } = message as Message & { parsed?: unknown };
  if (calls === undefined) return turn;
  const own = calls.map((call) => {
    if (call.type !== 'function') return call;
    const { parsed_arguments: __, ...called } = call.function as typeof call.function & { parsed_arguments?: unknown };
    return { ...call, function: called };
  });
  return { ...turn, tool_calls: own };
}

function callOf(call: OpenAI.ChatCompletionMessageToolCall): AnswerCall {
  if (call.type !== 'function') throw new Error(`a ${call.type} call`);
  return { id: call.id, name: call.function.name, input: JSON.parse(call.function.arguments) };
}
