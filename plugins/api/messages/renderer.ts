import type { DeltaRenderer, RenderContext } from '../../../core/api/client-api.js';
import { errorEnvelope } from '../../../core/api/error-envelope.js';
import { BugError, type GatewayError } from '../../../core/api/errors.js';
import type { ResponseHeaders } from '../../../core/api/headers.js';
import type { Delta, InferenceRequest, JsonObject, TokenUsage } from '../../../core/api/inference.js';
import { jsonHeaders, streamHeaders } from '../openai-wire.js';
import { AnswerBlocks, type BlockSink } from './answer-blocks.js';
import { CollectedBlocks } from './collected-blocks.js';
import { type StopFields, stopFields } from './stop-reason.js';
import { deltaUsage, messageUsage } from './usage.js';

type FinishDelta = Extract<Delta, { kind: 'finish' }>;

/** Writes Anthropic messages; there is one choice, others are left out. */
export function createMessagesRenderer(request: InferenceRequest, context: RenderContext): DeltaRenderer {
  return request.stream ? new MessageStreamRenderer(request, context) : new MessageCollector(request, context);
}

/** What both forms of an answer know of it. */
class MessageFacts {
  readonly #request: InferenceRequest;
  id: string;
  model: string;
  serviceTier: string | undefined = undefined;
  usage: TokenUsage = {};
  /** Deltas that the dialect has no place for. */
  dropped = 0;
  #finish: FinishDelta | undefined = undefined;

  constructor(request: InferenceRequest, context: RenderContext) {
    this.#request = request;
    this.id = context.responseId;
    this.model = context.model;
  }

  /** True when the delta says nothing for the blocks of the answer. */
  take(delta: Delta): boolean {
    switch (delta.kind) {
      case 'start':
        if (delta.responseId !== undefined) this.id = `msg_${delta.responseId}`;
        this.model = delta.model ?? this.model;
        this.serviceTier = delta.serviceTier ?? this.serviceTier;
        return true;
      case 'usage':
        this.usage = { ...this.usage, ...delta.usage };
        return true;
      case 'finish':
        if (delta.choice !== 0) return true;
        this.#finish = delta;
        return false;
      case 'tokens':
        throw new BugError(
          "A delta of kind 'tokens' reached the renderer: the filter that turns it into text is missing",
        );
      case 'keep_alive':
        return false;
      default:
        if (delta.choice === 0) return false;
        this.dropped++;
        return true;
    }
  }

  stop(hasToolCalls: boolean): StopFields {
    return stopFields(this.#finish, hasToolCalls, this.#request);
  }

  /** Prefix of ids of calls without one, of characters that the vendor allows in ids. */
  get toolIdPrefix(): string {
    return `toolu_${this.id.replace(/^msg_/, '').replace(/[^A-Za-z0-9_-]/g, '_')}_`;
  }
}

const PING = event('ping', {});

function event(type: string, fields: JsonObject): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

/** Writes deltas as named events. Keeps no text but what must wait. */
class MessageStreamRenderer implements DeltaRenderer, BlockSink {
  readonly #facts: MessageFacts;
  #blocks: AnswerBlocks | undefined = undefined;
  /** Index of the block that is open, or was last. */
  #index = -1;
  /** Events that the current call has made. */
  #out = '';

  constructor(request: InferenceRequest, context: RenderContext) {
    this.#facts = new MessageFacts(request, context);
  }

  get droppedDeltas(): number {
    return this.#facts.dropped;
  }

  headers(): ResponseHeaders {
    return streamHeaders();
  }

  /** The first event waits for the first delta that says something: until then id, model and usage may come. */
  delta(delta: Delta): Buffer | undefined {
    if (this.#facts.take(delta)) return undefined;
    if (delta.kind === 'keep_alive') return this.#blocks === undefined ? undefined : Buffer.from(PING);
    if (!this.#begin().add(delta)) this.#facts.dropped++;
    return this.#flush();
  }

  end(): Buffer {
    const blocks = this.#begin();
    blocks.finish();
    const delta = this.#facts.stop(blocks.hasToolCalls);
    this.#out += event('message_delta', { delta, usage: deltaUsage(this.#facts.usage) });
    this.#out += event('message_stop', {});
    return this.#flush() as Buffer;
  }

  error(error: GatewayError): Buffer {
    return Buffer.from(`event: error\ndata: ${JSON.stringify(errorEnvelope(error, 'anthropic', ''))}\n\n`);
  }

  startBlock(block: JsonObject): void {
    this.#out += event('content_block_start', { index: ++this.#index, content_block: block });
  }

  changeBlock(delta: JsonObject): void {
    this.#out += event('content_block_delta', { index: this.#index, delta });
  }

  stopBlock(): void {
    this.#out += event('content_block_stop', { index: this.#index });
  }

  #begin(): AnswerBlocks {
    if (this.#blocks !== undefined) return this.#blocks;
    const { id, model, usage, serviceTier, toolIdPrefix } = this.#facts;
    const envelope = { id, type: 'message', role: 'assistant', content: [], model };
    const message = { ...envelope, stop_reason: null, stop_sequence: null, usage: messageUsage(usage, serviceTier) };
    this.#out += event('message_start', { message }) + PING;
    this.#blocks = new AnswerBlocks(this, toolIdPrefix);
    return this.#blocks;
  }

  #flush(): Buffer | undefined {
    if (this.#out === '') return undefined;
    const bytes = Buffer.from(this.#out, 'utf8');
    this.#out = '';
    return bytes;
  }
}

/** Collects deltas into one message. */
class MessageCollector implements DeltaRenderer {
  readonly #facts: MessageFacts;
  readonly #content = new CollectedBlocks();
  #blocks: AnswerBlocks | undefined = undefined;

  constructor(request: InferenceRequest, context: RenderContext) {
    this.#facts = new MessageFacts(request, context);
  }

  get droppedDeltas(): number {
    return this.#facts.dropped;
  }

  headers(): ResponseHeaders {
    return jsonHeaders();
  }

  delta(delta: Delta): undefined {
    if (this.#facts.take(delta) || delta.kind === 'keep_alive') return;
    if (!this.#begin().add(delta)) this.#facts.dropped++;
  }

  end(): Buffer {
    const blocks = this.#begin();
    blocks.finish();
    const { id, model, usage, serviceTier } = this.#facts;
    const content = this.#content.blocks;
    const envelope = { id, type: 'message', role: 'assistant', model, content };
    const body = { ...envelope, ...this.#facts.stop(blocks.hasToolCalls), usage: messageUsage(usage, serviceTier) };
    return Buffer.from(JSON.stringify(body), 'utf8');
  }

  error(): undefined {
    return undefined;
  }

  #begin(): AnswerBlocks {
    this.#blocks ??= new AnswerBlocks(this.#content, this.#facts.toolIdPrefix);
    return this.#blocks;
  }
}
