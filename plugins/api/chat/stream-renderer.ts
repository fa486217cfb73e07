import type { DeltaRenderer, RenderContext } from '../../../core/api/client-api.js';
import type { GatewayError } from '../../../core/api/errors.js';
import type { ResponseHeaders } from '../../../core/api/headers.js';
import type { Delta, TextLogprobs, TokenUsage } from '../../../core/api/inference.js';
import { ChunkWriter, KEEP_ALIVE, openAiErrorEvent, startedContext, streamHeaders } from '../openai-wire.js';
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

/** A call of the stream: its place among the calls of its choice, and what waits for its name. */
interface StreamedCall {
  readonly index: number;
  begun: boolean;
  id: string | undefined;
  signature: string | undefined;
}

/** What the stream has sent of one choice. */
class StreamedChoice {
  roleSent = false;
  audioSent = false;
  readonly calls = new Map<number, StreamedCall>();
  readonly thinking = new ThinkingText();

  /** Calls are numbered in the order in which they appear. */
  call(index: number): StreamedCall {
    let call = this.calls.get(index);
    if (call === undefined) {
      call = { index: this.calls.size, begun: false, id: undefined, signature: undefined };
      this.calls.set(index, call);
    }
    return call;
  }
}

/**
 * Writes deltas as `chat.completion.chunk` events: the role first, one field a chunk, each call's head before its
 * arguments, an empty delta with the finish reason. Keeps no text but thoughts that may yet be signed.
 */
export class ChatStreamRenderer implements DeltaRenderer {
  droppedDeltas = 0;
  readonly #includeUsage: boolean;
  readonly #choices = new Map<number, StreamedChoice>();
  #context: RenderContext;
  #fields: object = {};
  /** Made with the first chunk: from then on id and model are fixed. */
  #writer: ChunkWriter | undefined = undefined;
  #usage: TokenUsage | undefined = undefined;

  constructor(context: RenderContext, includeUsage: boolean) {
    this.#context = context;
    this.#includeUsage = includeUsage;
  }

  headers(): ResponseHeaders {
    return streamHeaders();
  }

  delta(delta: Delta): Buffer | undefined {
    const text = this.#text(delta);
    return text === '' ? undefined : Buffer.from(text, 'utf8');
  }

  end(): Buffer {
    return this.#chunks().end(this.#usage);
  }

  error(error: GatewayError): Buffer {
    return openAiErrorEvent(error);
  }

  #text(delta: Delta): string {
    switch (delta.kind) {
      case 'content':
      case 'text':
        return this.#field(delta.choice, `"content":${JSON.stringify(delta.text)}`, delta.logprobs);
      case 'reasoning':
        this.#choice(delta.choice).thinking.add(delta.text);
        return this.#field(delta.choice, `"reasoning_content":${JSON.stringify(delta.text)}`);
      case 'refusal':
        return this.#field(delta.choice, `"refusal":${JSON.stringify(delta.text)}`);
      case 'tool_call':
        return this.#toolCall(delta);
      case 'reasoning_signature': {
        const block = this.#choice(delta.choice).thinking.sign(delta);
        if (block !== undefined) return this.#field(delta.choice, `"thinking_blocks":[${JSON.stringify(block)}]`);
        this.droppedDeltas++;
        return '';
      }
      case 'annotation':
        return this.#field(delta.choice, `"annotations":[${JSON.stringify(annotationPart(delta.annotation))}]`);
      case 'image':
        return this.#field(delta.choice, `"images":[${JSON.stringify(imagePart(delta.url))}]`);
      case 'audio': {
        const choice = this.#choice(delta.choice);
        const audio = choice.audioSent ? { data: delta.data } : { ...audioHead(this.#context), data: delta.data };
        choice.audioSent = true;
        return this.#field(delta.choice, `"audio":${JSON.stringify(audio)}`);
      }
      case 'finish':
        return this.#finish(delta);
      case 'usage':
        this.#usage = { ...this.#usage, ...delta.usage };
        return '';
      case 'start':
        if (this.#writer !== undefined) return '';
        this.#context = startedContext(this.#context, 'chatcmpl-', delta);
        this.#fields = serviceTierField(delta);
        return '';
      case 'keep_alive':
        return KEEP_ALIVE;
      case 'vendor':
        this.droppedDeltas++;
        return '';
      case 'tokens':
        throw notRendered(delta.kind);
    }
  }

  #choice(index: number): StreamedChoice {
    let choice = this.#choices.get(index);
    if (choice === undefined) {
      choice = new StreamedChoice();
      this.#choices.set(index, choice);
    }
    return choice;
  }

  #chunks(): ChunkWriter {
    this.#writer ??= new ChunkWriter('chat.completion.chunk', this.#context, this.#includeUsage, this.#fields);
    return this.#writer;
  }

  /** The role, where the choice has not had it. */
  #role(index: number): string {
    const choice = this.#choice(index);
    if (choice.roleSent) return '';
    choice.roleSent = true;
    return this.#field(index, '"role":"assistant","content":""');
  }

  #field(index: number, field: string, logprobs?: TextLogprobs): string {
    const role = this.#role(index);
    const probabilities = logprobs === undefined ? 'null' : JSON.stringify(chatLogprobs(logprobs));
    const choice = `{"index":${index},"delta":{${field}},"logprobs":${probabilities},"finish_reason":null}`;
    return role + this.#chunks().text(choice);
  }

  #finish(delta: FinishDelta): string {
    const role = this.#role(delta.choice);
    const { calls } = this.#choice(delta.choice);
    const choice = {
      index: delta.choice,
      delta: {},
      logprobs: null,
      finish_reason: finishReason(delta.reason, calls.size > 0),
      ...finishExtras(delta),
    };
    return role + this.#chunks().text(JSON.stringify(choice));
  }

  /** The head waits for a name or arguments; what came with it follows in a chunk of its own. */
  #toolCall(delta: ToolCallDelta): string {
    const call = this.#choice(delta.choice).call(delta.index);
    const text = delta.arguments ?? '';
    if (call.begun) return this.#laterCall(delta, call);
    call.id ??= delta.id;
    call.signature ??= delta.signature;
    if (delta.name === undefined && text === '') return '';
    call.begun = true;
    const id = call.id ?? callId(delta, this.#context);
    const name = delta.name ?? '';
    const called = delta.custom === true ? { custom: { name, input: '' } } : { function: { name, arguments: '' } };
    const type = delta.custom === true ? 'custom' : 'function';
    const head = this.#callField(delta.choice, {
      index: call.index,
      id,
      type,
      ...called,
      ...signedCall(call.signature),
    });
    return text === '' ? head : head + this.#arguments(delta, call, undefined);
  }

  #laterCall(delta: ToolCallDelta, call: StreamedCall): string {
    const { signature } = delta;
    const text = delta.arguments ?? '';
    const signed =
      signature === undefined ? '' : this.#callField(delta.choice, { index: call.index, ...signedCall(signature) });
    return text === '' && delta.name === undefined ? signed : signed + this.#arguments(delta, call, delta.name);
  }

  #arguments(delta: ToolCallDelta, call: StreamedCall, name: string | undefined): string {
    const text = delta.arguments ?? '';
    const called = delta.custom === true ? { custom: { name, input: text } } : { function: { name, arguments: text } };
    return this.#callField(delta.choice, { index: call.index, ...called });
  }

  #callField(choice: number, call: object): string {
    return this.#field(choice, `"tool_calls":[${JSON.stringify(call)}]`);
  }
}
