import type { DeltaRenderer, RenderContext } from '../../../core/api/client-api.js';
import type { ResponseHeaders } from '../../../core/api/headers.js';
import type { Delta, TextLogprobs, TokenUsage } from '../../../core/api/inference.js';
import { collectedBody, jsonHeaders, startedContext } from '../openai-wire.js';
import {
  annotationPart,
  audioHead,
  callId,
  chatLogprobs,
  type FinishDelta,
  finishExtras,
  finishReason,
  imagePart,
  notRendered,
  serviceTierField,
  signedCall,
  ThinkingText,
  type ToolCallDelta,
} from './answer-parts.js';

interface CollectedCall {
  id: string | undefined;
  readonly first: ToolCallDelta;
  custom: boolean;
  signature: string | undefined;
  name: string;
  arguments: string;
}

/** What has come of one choice. Texts are kept as pieces and joined once. */
class CollectedChoice {
  readonly content: string[] = [];
  readonly reasoning: string[] = [];
  readonly refusal: string[] = [];
  readonly thinking = new ThinkingText();
  readonly thinkingBlocks: object[] = [];
  readonly annotations: object[] = [];
  readonly images: object[] = [];
  readonly audio: Buffer[] = [];
  /** In the order in which they appeared. */
  readonly calls = new Map<number, CollectedCall>();
  readonly logprobs: TextLogprobs['content'][number][] = [];
  finish: FinishDelta | undefined = undefined;
}

/** Collects deltas into one `chat.completion`. */
export class ChatCollector implements DeltaRenderer {
  droppedDeltas = 0;
  readonly #choices = new Map<number, CollectedChoice>();
  #context: RenderContext;
  #fields: object = {};
  #usage: TokenUsage | undefined = undefined;

  constructor(context: RenderContext) {
    this.#context = context;
  }

  headers(): ResponseHeaders {
    return jsonHeaders();
  }

  delta(delta: Delta): undefined {
    switch (delta.kind) {
      case 'usage':
        this.#usage = { ...this.#usage, ...delta.usage };
        return;
      case 'start':
        this.#context = startedContext(this.#context, 'chatcmpl-', delta);
        this.#fields = serviceTierField(delta);
        return;
      case 'keep_alive':
        return;
      case 'vendor':
        this.droppedDeltas++;
        return;
      case 'tokens':
        throw notRendered(delta.kind);
      default:
        this.#collect(this.#choice(delta.choice), delta);
    }
  }

  end(): Buffer {
    const indices = [...this.#choices.keys()].sort((a, b) => a - b);
    const choices = indices.map((index) => this.#body(index, this.#choices.get(index) as CollectedChoice));
    return collectedBody('chat.completion', this.#context, choices, this.#usage, this.#fields);
  }

  error(): undefined {
    return undefined;
  }

  #choice(index: number): CollectedChoice {
    let choice = this.#choices.get(index);
    if (choice === undefined) {
      choice = new CollectedChoice();
      this.#choices.set(index, choice);
    }
    return choice;
  }

  #collect(
    choice: CollectedChoice,
    delta: Exclude<Delta, { kind: 'usage' | 'start' | 'keep_alive' | 'vendor' | 'tokens' }>,
  ): void {
    switch (delta.kind) {
      case 'content':
      case 'text':
        choice.content.push(delta.text);
        if (delta.logprobs !== undefined) for (const token of delta.logprobs.content) choice.logprobs.push(token);
        break;
      case 'reasoning':
        choice.reasoning.push(delta.text);
        choice.thinking.add(delta.text);
        break;
      case 'refusal':
        choice.refusal.push(delta.text);
        break;
      case 'reasoning_signature': {
        const block = choice.thinking.sign(delta);
        if (block === undefined) this.droppedDeltas++;
        else choice.thinkingBlocks.push(block);
        break;
      }
      case 'tool_call':
        collectCall(choice, delta);
        break;
      case 'annotation':
        choice.annotations.push(annotationPart(delta.annotation));
        break;
      case 'image':
        choice.images.push(imagePart(delta.url));
        break;
      case 'audio':
        choice.audio.push(Buffer.from(delta.data, 'base64'));
        break;
      case 'finish':
        choice.finish = delta;
    }
  }

  #body(index: number, choice: CollectedChoice): object {
    const { finish, calls, logprobs } = choice;
    return {
      index,
      message: this.#message(choice),
      logprobs: logprobs.length === 0 ? null : chatLogprobs({ content: logprobs }),
      finish_reason: finish === undefined ? null : finishReason(finish.reason, calls.size > 0),
      ...finishExtras(finish),
    };
  }

  #message(choice: CollectedChoice): object {
    const content = choice.content.join('');
    const calls = [...choice.calls.values()];
    const spoken = choice.audio.length > 0;
    const audio = { ...audioHead(this.#context), data: Buffer.concat(choice.audio).toString('base64'), transcript: '' };
    return {
      role: 'assistant',
      content: content === '' ? null : content,
      ...(choice.refusal.length === 0 ? {} : { refusal: choice.refusal.join('') }),
      ...(choice.reasoning.length === 0 ? {} : { reasoning_content: choice.reasoning.join('') }),
      ...(choice.thinkingBlocks.length === 0 ? {} : { thinking_blocks: choice.thinkingBlocks }),
      ...(choice.annotations.length === 0 ? {} : { annotations: choice.annotations }),
      ...(choice.images.length === 0 ? {} : { images: choice.images }),
      ...(spoken ? { audio } : {}),
      ...(calls.length === 0 ? {} : { tool_calls: calls.map((call) => toolCallBody(call, this.#context)) }),
    };
  }
}

function collectCall(choice: CollectedChoice, delta: ToolCallDelta): void {
  let call = choice.calls.get(delta.index);
  if (call === undefined) {
    call = { id: undefined, first: delta, custom: false, signature: undefined, name: '', arguments: '' };
    choice.calls.set(delta.index, call);
  }
  call.id ??= delta.id;
  call.signature ??= delta.signature;
  call.custom ||= delta.custom === true;
  call.name += delta.name ?? '';
  call.arguments += delta.arguments ?? '';
}

function toolCallBody(call: CollectedCall, context: RenderContext): object {
  const { name, arguments: text } = call;
  const called = call.custom ? { custom: { name, input: text } } : { function: { name, arguments: text } };
  return {
    id: call.id ?? callId(call.first, context),
    type: call.custom ? 'custom' : 'function',
    ...called,
    ...signedCall(call.signature),
  };
}
