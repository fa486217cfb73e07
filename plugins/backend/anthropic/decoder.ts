import { GatewayError, isJsonObject, type JsonObject, parseJson } from '../../../core/api/index.js';
import { argumentsObject } from '../../../core/inference/call-arguments.js';
import { UsageCounts } from '../../../core/inference/usage-counts.js';
import { customToolInput } from '../translate/tool-arguments.js';
import type { ToolNames } from '../translate/tool-names.js';
import type { AnswerDecoder, EmitDelta } from '../translate/worker-dialect.js';
import { annotationsOf } from './citations.js';
import { readErrorEvent } from './errors.js';
import { type ResponseFormatPlan, stripCodeFence } from './response-format.js';
import { finishDelta } from './stop-reason.js';

const VENDOR = 'anthropic';
const ID_PREFIX = 'msg_';
/** Of what is kept until a block is complete, characters. */
const MAX_KEPT_CHARS = 16 * 1024 * 1024;

/** A content block of a stream that has begun and not ended. */
type OpenBlock =
  | { readonly kind: 'text'; readonly startIndex: number; readonly citations: unknown[] }
  | { readonly kind: 'thinking'; signature: string }
  | { readonly kind: 'tool'; readonly index: number; readonly input: unknown; begun: boolean }
  /** The tool's text is inside JSON, which can be read when it is whole. */
  | { readonly kind: 'custom_tool'; readonly index: number; readonly input: unknown; json: string }
  /** What the tool is called with is the answer. */
  | { readonly kind: 'answer_tool'; readonly input: unknown; begun: boolean }
  /** Blocks that only Anthropic's own clients know. */
  | { readonly kind: 'vendor'; readonly block: JsonObject; json: string };

/** Reads one answer of `POST /v1/messages`, whole or as events, into deltas. One choice, always 0. */
export class MessagesDecoder implements AnswerDecoder {
  readonly #names: ToolNames;
  readonly #customTools: ReadonlySet<string>;
  /** Wire name of the tool that takes the answer. */
  readonly #answerTool: string | undefined;
  readonly #stripsFence: boolean;
  readonly #usage = new UsageCounts();
  readonly #blocks = new Map<number, OpenBlock>();
  #nextTool = 0;
  /** UTF-16 units of content so far. */
  #contentLength = 0;
  #answeredByTool = false;
  #stopSeen = false;
  #stopReason: unknown = undefined;
  #stopSequence: unknown = undefined;
  #stopDetails: unknown = undefined;

  /** `customTools`: the client's names of tools that take text. `format`: how the model was brought to its form of answer. */
  constructor(names: ToolNames, customTools: ReadonlySet<string>, format: ResponseFormatPlan) {
    this.#names = names;
    this.#customTools = customTools;
    this.#answerTool = format.kind === 'forced_tool' ? format.name : undefined;
    this.#stripsFence = format.kind === 'instruction';
  }

  // ── a whole answer ────────────────────────────────────────────────────────────────────────────────────────────

  onAnswer(answer: JsonObject, emit: EmitDelta): void {
    if (answer.type === 'error') throw readErrorEvent(answer.error);
    if (!Array.isArray(answer.content)) throw malformed('an answer without content');
    this.#start(answer, emit);
    this.#readStop(answer, answer.usage);
    const refused = answer.stop_reason === 'refusal';
    for (const block of answer.content as unknown[]) if (isJsonObject(block)) this.#wholeBlock(block, refused, emit);
    this.#finish(emit);
  }

  #wholeBlock(block: JsonObject, refused: boolean, emit: EmitDelta): void {
    switch (block.type) {
      case 'text': {
        const startIndex = this.#contentLength;
        const text = this.#stripsFence ? stripCodeFence(textOf(block.text)) : textOf(block.text);
        if (refused) this.#refusal(text, emit);
        else this.#content(text, emit);
        this.#annotations(block.citations, startIndex, emit);
        return;
      }
      case 'thinking':
        this.#reasoning(textOf(block.thinking), emit);
        this.#sign(textOf(block.signature), false, emit);
        return;
      case 'redacted_thinking':
        this.#sign(textOf(block.data), true, emit);
        return;
      case 'tool_use':
        this.#wholeToolUse(block, emit);
        return;
      default:
        emit({ kind: 'vendor', choice: 0, vendor: VENDOR, data: block });
    }
  }

  #wholeToolUse(block: JsonObject, emit: EmitDelta): void {
    const input = block.input ?? {};
    if (block.name === this.#answerTool) {
      this.#answeredByTool = true;
      this.#content(JSON.stringify(input), emit);
      return;
    }
    const { index, custom } = this.#beginCall(block, emit);
    if (custom) emit({ kind: 'tool_call', choice: 0, index, arguments: customToolInput(input), custom });
    else emit({ kind: 'tool_call', choice: 0, index, arguments: JSON.stringify(input) });
  }

  // ── a streamed answer ─────────────────────────────────────────────────────────────────────────────────────────

  onEvent(_event: string | undefined, data: string, emit: EmitDelta): boolean {
    const event = parseEvent(data);
    switch (event.type) {
      case 'content_block_delta':
        this.#blockDelta(event, emit);
        return false;
      case 'content_block_start':
        if (isJsonObject(event.content_block)) this.#blockStart(event.index as number, event.content_block, emit);
        return false;
      case 'content_block_stop':
        this.#blockStop(event.index as number, emit);
        return false;
      case 'message_start':
        if (isJsonObject(event.message)) this.#start(event.message, emit);
        return false;
      case 'message_delta':
        this.#readStop(isJsonObject(event.delta) ? event.delta : {}, event.usage);
        return false;
      case 'message_stop':
        this.#finish(emit);
        return true;
      case 'ping':
        emit({ kind: 'keep_alive' });
        return false;
      case 'error':
        throw readErrorEvent(event.error);
      default:
        return false;
    }
  }

  onEnd(emit: EmitDelta): boolean {
    if (!this.#stopSeen) return false;
    this.#finish(emit);
    return true;
  }

  #blockStart(at: number, block: JsonObject, emit: EmitDelta): void {
    switch (block.type) {
      case 'text': {
        const citations = Array.isArray(block.citations) ? [...(block.citations as unknown[])] : [];
        this.#blocks.set(at, { kind: 'text', startIndex: this.#contentLength, citations });
        this.#content(textOf(block.text), emit);
        return;
      }
      case 'thinking':
        this.#blocks.set(at, { kind: 'thinking', signature: textOf(block.signature) });
        this.#reasoning(textOf(block.thinking), emit);
        return;
      case 'redacted_thinking':
        this.#sign(textOf(block.data), true, emit);
        return;
      case 'tool_use': {
        const { input } = block;
        if (block.name === this.#answerTool) {
          this.#answeredByTool = true;
          this.#blocks.set(at, { kind: 'answer_tool', input, begun: false });
          return;
        }
        const { index, custom } = this.#beginCall(block, emit);
        this.#blocks.set(
          at,
          custom ? { kind: 'custom_tool', index, input, json: '' } : { kind: 'tool', index, input, begun: false },
        );
        return;
      }
      default:
        this.#blocks.set(at, { kind: 'vendor', block, json: '' });
    }
  }

  #blockDelta(event: JsonObject, emit: EmitDelta): void {
    const { delta } = event;
    if (!isJsonObject(delta)) return;
    switch (delta.type) {
      case 'text_delta':
        this.#content(textOf(delta.text), emit);
        return;
      case 'thinking_delta':
        this.#reasoning(textOf(delta.thinking), emit);
        return;
      case 'input_json_delta':
        this.#inputDelta(this.#blocks.get(event.index as number), textOf(delta.partial_json), emit);
        return;
      case 'signature_delta': {
        const block = this.#blocks.get(event.index as number);
        if (block?.kind === 'thinking') block.signature = keep(block.signature, textOf(delta.signature));
        return;
      }
      case 'citations_delta': {
        const block = this.#blocks.get(event.index as number);
        if (block?.kind === 'text') block.citations.push(delta.citation);
      }
    }
  }

  #inputDelta(block: OpenBlock | undefined, json: string, emit: EmitDelta): void {
    if (block === undefined || json === '') return;
    if (block.kind === 'tool') {
      block.begun = true;
      emit({ kind: 'tool_call', choice: 0, index: block.index, arguments: json });
    } else if (block.kind === 'answer_tool') {
      block.begun = true;
      this.#content(json, emit);
    } else if (block.kind === 'custom_tool' || block.kind === 'vendor') block.json = keep(block.json, json);
  }

  #blockStop(at: number, emit: EmitDelta): void {
    const block = this.#blocks.get(at);
    if (block === undefined) return;
    this.#blocks.delete(at);
    switch (block.kind) {
      case 'text':
        this.#annotations(block.citations, block.startIndex, emit);
        return;
      case 'thinking':
        this.#sign(block.signature, false, emit);
        return;
      case 'tool':
        if (block.begun) return;
        emit({ kind: 'tool_call', choice: 0, index: block.index, arguments: JSON.stringify(block.input ?? {}) });
        return;
      case 'custom_tool': {
        const input = block.json === '' ? block.input : argumentsObject(block.json);
        emit({ kind: 'tool_call', choice: 0, index: block.index, arguments: customToolInput(input), custom: true });
        return;
      }
      case 'answer_tool':
        if (!block.begun) this.#content(JSON.stringify(block.input ?? {}), emit);
        return;
      case 'vendor': {
        const data = block.json === '' ? block.block : { ...block.block, input: argumentsObject(block.json) };
        emit({ kind: 'vendor', choice: 0, vendor: VENDOR, data });
      }
    }
  }

  // ── what both are made of ─────────────────────────────────────────────────────────────────────────────────────

  #start({ id, model, usage }: JsonObject, emit: EmitDelta): void {
    const serviceTier = isJsonObject(usage) ? answerTier(usage.service_tier) : undefined;
    emit({
      kind: 'start',
      ...(typeof id === 'string' ? { responseId: id.startsWith(ID_PREFIX) ? id.slice(ID_PREFIX.length) : id } : {}),
      ...(typeof model === 'string' ? { model } : {}),
      ...(serviceTier === undefined ? {} : { serviceTier }),
    });
    this.#usage.read(usage);
    this.#emitUsage(emit);
  }

  #emitUsage(emit: EmitDelta): void {
    const usage = this.#usage.toUsage('anthropic');
    if (usage !== undefined) emit({ kind: 'usage', usage });
  }

  #content(text: string, emit: EmitDelta): void {
    if (text === '') return;
    this.#contentLength += text.length;
    emit({ kind: 'content', choice: 0, text });
  }

  #refusal(text: string, emit: EmitDelta): void {
    if (text === '') return;
    this.#contentLength += text.length;
    emit({ kind: 'refusal', choice: 0, text });
  }

  #reasoning(text: string, emit: EmitDelta): void {
    if (text !== '') emit({ kind: 'reasoning', choice: 0, text });
  }

  #sign(signature: string, redacted: boolean, emit: EmitDelta): void {
    if (signature === '') return;
    emit({ kind: 'reasoning_signature', choice: 0, vendor: VENDOR, signature, ...(redacted ? { redacted } : {}) });
  }

  #annotations(citations: unknown, startIndex: number, emit: EmitDelta): void {
    if (!Array.isArray(citations)) return;
    for (const annotation of annotationsOf(citations, startIndex, this.#contentLength)) emit(annotation);
  }

  #beginCall({ id, name }: JsonObject, emit: EmitDelta): { index: number; custom: boolean } {
    const index = this.#nextTool++;
    const clientName = this.#names.toClient(textOf(name));
    const custom = this.#customTools.has(clientName);
    emit({
      kind: 'tool_call',
      choice: 0,
      index,
      ...(typeof id === 'string' ? { id } : {}),
      name: clientName,
      arguments: '',
      ...(custom ? { custom } : {}),
    });
    return { index, custom };
  }

  /** From a whole answer, or from the `delta` of a `message_delta`, which may bring only a part of it. */
  #readStop(stated: JsonObject, usage: unknown): void {
    this.#usage.read(usage);
    if (typeof stated.stop_reason === 'string') {
      this.#stopSeen = true;
      this.#stopReason = stated.stop_reason;
    }
    this.#stopSequence = stated.stop_sequence ?? this.#stopSequence;
    this.#stopDetails = stated.stop_details ?? this.#stopDetails;
  }

  #finish(emit: EmitDelta): void {
    const details = this.#stopDetails;
    if (this.#stopReason === 'refusal' && this.#contentLength === 0 && isJsonObject(details)) {
      this.#refusal(textOf(details.explanation), emit);
    }
    emit(finishDelta(this.#stopReason, this.#stopSequence, this.#answeredByTool));
    this.#emitUsage(emit);
  }
}

/** In OpenAI's words, which have none for a batch. */
function answerTier(tier: unknown): string | undefined {
  if (tier === 'standard') return 'default';
  return tier === 'priority' ? tier : undefined;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function keep(kept: string, more: string): string {
  if (kept.length + more.length <= MAX_KEPT_CHARS) return kept + more;
  const message = `A part of the worker's answer is larger than ${MAX_KEPT_CHARS} characters`;
  throw new GatewayError('upstream_response_too_large', message, { details: 'block_too_large' });
}

function parseEvent(data: string): JsonObject {
  const value = parseJson(data);
  if (value === undefined) throw malformed('an event that is not JSON');
  return isJsonObject(value) ? value : {};
}

function malformed(what: string): GatewayError {
  return new GatewayError('upstream_protocol_error', `The worker sent ${what}`, { details: 'malformed_message' });
}
