import type { DeltaRenderer, RenderContext } from '../../../core/api/client-api.js';
import { BugError, type GatewayError } from '../../../core/api/errors.js';
import type { ResponseHeaders } from '../../../core/api/headers.js';
import type { Delta, FinishReason, InferenceRequest, TextLogprobs, TokenUsage } from '../../../core/api/inference.js';
import {
  ChunkWriter,
  collectedBody,
  jsonHeaders,
  openAiErrorEvent,
  streamHeaders,
  wantsUsage,
} from '../openai-wire.js';

type ToolCallDelta = Extract<Delta, { kind: 'tool_call' }>;
type FinishDelta = Extract<Delta, { kind: 'finish' }>;

export function createChatRenderer(request: InferenceRequest, context: RenderContext): DeltaRenderer {
  return request.stream ? new ChatStreamRenderer(context, wantsUsage(request)) : new ChatCollector(context);
}

/** OpenAI's `logprobs` object of a chat choice. */
function chatLogprobs(logprobs: TextLogprobs): object {
  return {
    content: logprobs.content.map(({ token, logprob, bytes, top }) => ({ token, logprob, bytes, top_logprobs: top })),
  };
}

/** `stop` after calls were made is `tool_calls` in OpenAI's words. */
function finishReason(reason: FinishReason, hasToolCalls: boolean): FinishReason {
  return reason === 'stop' && hasToolCalls ? 'tool_calls' : reason;
}

/** The deltas that a choice of a collected answer is made of. */
function isText(
  delta: Delta,
): delta is Extract<Delta, { kind: 'text' | 'content' | 'reasoning' | 'tool_call' | 'finish' }> {
  return ['text', 'content', 'reasoning', 'tool_call', 'finish'].includes(delta.kind);
}

function callId(call: ToolCallDelta, context: RenderContext): string {
  return call.id ?? `call_${context.responseId}_${call.choice}_${call.index}`;
}

function notRendered(kind: Delta['kind']): BugError {
  return new BugError(`A delta of kind '${kind}' reached the renderer: the filter that turns it into text is missing`);
}

/** What the stream has sent of one choice. */
class StreamedChoice {
  roleSent = false;
  readonly callsBegun = new Set<number>();
}

/** Writes deltas as `chat.completion.chunk` events. Keeps no text. */
class ChatStreamRenderer implements DeltaRenderer {
  readonly #context: RenderContext;
  readonly #writer: ChunkWriter;
  readonly #choices = new Map<number, StreamedChoice>();
  #usage: TokenUsage | undefined = undefined;

  constructor(context: RenderContext, includeUsage: boolean) {
    this.#context = context;
    this.#writer = new ChunkWriter('chat.completion.chunk', context, includeUsage);
  }

  headers(): ResponseHeaders {
    return streamHeaders();
  }

  delta(delta: Delta): Buffer | undefined {
    switch (delta.kind) {
      case 'content':
      case 'text':
        return this.#chunk(delta.choice, `"content":${JSON.stringify(delta.text)}`, delta.logprobs, undefined);
      case 'reasoning':
        return this.#chunk(delta.choice, `"reasoning_content":${JSON.stringify(delta.text)}`, undefined, undefined);
      case 'tool_call':
        return this.#chunk(delta.choice, `"tool_calls":[${this.#toolCall(delta)}]`, undefined, undefined);
      case 'finish': {
        const fields = this.#choice(delta.choice).roleSent ? '' : '"content":""';
        return this.#chunk(delta.choice, fields, undefined, delta);
      }
      case 'usage':
        this.#usage = { ...this.#usage, ...delta.usage };
        return undefined;
      case 'start':
      case 'keep_alive':
      case 'refusal':
      case 'reasoning_signature':
      case 'annotation':
      case 'image':
      case 'audio':
      case 'vendor':
        return undefined;
      case 'tokens':
        throw notRendered(delta.kind);
    }
  }

  end(): Buffer {
    return this.#writer.end(this.#usage);
  }

  error(error: GatewayError): Buffer {
    return openAiErrorEvent(error);
  }

  #choice(index: number): StreamedChoice {
    let choice = this.#choices.get(index);
    if (choice === undefined) {
      choice = new StreamedChoice();
      this.#choices.set(index, choice);
    }
    return choice;
  }

  #chunk(index: number, fields: string, logprobs: TextLogprobs | undefined, finish: FinishDelta | undefined): Buffer {
    const choice = this.#choice(index);
    const role = choice.roleSent ? '' : `"role":"assistant"${fields === '' ? '' : ','}`;
    choice.roleSent = true;
    const reason = finish === undefined ? 'null' : `"${finishReason(finish.reason, choice.callsBegun.size > 0)}"`;
    const matched = finish?.matchedStop === undefined ? '' : `,"matched_stop":${JSON.stringify(finish.matchedStop)}`;
    const probabilities = logprobs === undefined ? 'null' : JSON.stringify(chatLogprobs(logprobs));
    return this.#writer.choice(
      `{"index":${index},"delta":{${role}${fields}},"logprobs":${probabilities},"finish_reason":${reason}${matched}}`,
    );
  }

  #toolCall(call: ToolCallDelta): string {
    const begun = this.#choice(call.choice).callsBegun;
    if (begun.has(call.index)) {
      return JSON.stringify({ index: call.index, function: { name: call.name, arguments: call.arguments } });
    }
    begun.add(call.index);
    return JSON.stringify({
      index: call.index,
      id: callId(call, this.#context),
      type: 'function',
      function: { name: call.name ?? '', arguments: call.arguments ?? '' },
    });
  }
}

interface CollectedCall {
  readonly id: string;
  name: string;
  arguments: string;
}

/** What has come of one choice. Texts are kept as pieces and joined once. */
class CollectedChoice {
  readonly content: string[] = [];
  readonly reasoning: string[] = [];
  readonly calls = new Map<number, CollectedCall>();
  readonly logprobs: TextLogprobs['content'][number][] = [];
  finish: FinishDelta | undefined = undefined;
}

/** Collects deltas into one `chat.completion`. */
class ChatCollector implements DeltaRenderer {
  readonly #context: RenderContext;
  readonly #choices = new Map<number, CollectedChoice>();
  #usage: TokenUsage | undefined = undefined;

  constructor(context: RenderContext) {
    this.#context = context;
  }

  headers(): ResponseHeaders {
    return jsonHeaders();
  }

  delta(delta: Delta): undefined {
    if (delta.kind === 'usage') {
      this.#usage = { ...this.#usage, ...delta.usage };
      return;
    }
    if (delta.kind === 'tokens') throw notRendered(delta.kind);
    if (!isText(delta)) return;
    let choice = this.#choices.get(delta.choice);
    if (choice === undefined) {
      choice = new CollectedChoice();
      this.#choices.set(delta.choice, choice);
    }
    if (delta.kind === 'finish') choice.finish = delta;
    else if (delta.kind === 'reasoning') choice.reasoning.push(delta.text);
    else if (delta.kind === 'tool_call') this.#toolCall(choice, delta);
    else {
      choice.content.push(delta.text);
      if (delta.logprobs !== undefined) choice.logprobs.push(...delta.logprobs.content);
    }
  }

  end(): Buffer {
    const indices = [...this.#choices.keys()].sort((a, b) => a - b);
    const choices = indices.map((index) => this.#body(index, this.#choices.get(index) as CollectedChoice));
    return collectedBody('chat.completion', this.#context, choices, this.#usage);
  }

  error(): undefined {
    return undefined;
  }

  #toolCall(choice: CollectedChoice, delta: ToolCallDelta): void {
    let call = choice.calls.get(delta.index);
    if (call === undefined) {
      call = { id: callId(delta, this.#context), name: '', arguments: '' };
      choice.calls.set(delta.index, call);
    }
    call.name += delta.name ?? '';
    call.arguments += delta.arguments ?? '';
  }

  #body(index: number, choice: CollectedChoice): object {
    const calls = [...choice.calls.entries()].sort(([a], [b]) => a - b);
    const content = choice.content.join('');
    const matchedStop = choice.finish?.matchedStop;
    return {
      index,
      message: {
        role: 'assistant',
        content: content === '' && calls.length > 0 ? null : content,
        ...(choice.reasoning.length === 0 ? {} : { reasoning_content: choice.reasoning.join('') }),
        ...(calls.length === 0 ? {} : { tool_calls: calls.map(([, call]) => toolCallBody(call)) }),
      },
      logprobs: choice.logprobs.length === 0 ? null : chatLogprobs({ content: choice.logprobs }),
      finish_reason: choice.finish === undefined ? null : finishReason(choice.finish.reason, calls.length > 0),
      ...(matchedStop === undefined ? {} : { matched_stop: matchedStop }),
    };
  }
}

function toolCallBody(call: CollectedCall): object {
  return { id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } };
}
