import { GatewayError } from '../../../core/api/errors.js';
import type { Delta, JsonObject } from '../../../core/api/inference.js';
import { isJsonObject } from '../../../core/api/json.js';
import { JsonProgress } from './json-progress.js';
import { joinToolUseId } from './tool-use-id.js';

const VENDOR = 'anthropic';
/** Of arguments that wait for the call before theirs to end, characters. */
const MAX_WAITING_CHARS = 16 * 1024 * 1024;
/** Longest text of a source that is quoted, characters; the vendor's. */
const MAX_CITED_CHARS = 150;
/** Of the answer's text that is kept to quote from, characters. */
const MAX_QUOTABLE_CHARS = 1024 * 1024;

type ToolCallDelta = Extract<Delta, { kind: 'tool_call' }>;
type Signature = Extract<Delta, { kind: 'reasoning_signature' }>;
type Annotation = Extract<Delta, { kind: 'annotation' }>['annotation'];

/** Takes the blocks of an answer: each is started, changed and stopped before the next is started. */
export interface BlockSink {
  startBlock(block: JsonObject): void;
  changeBlock(delta: JsonObject): void;
  stopBlock(): void;
}

interface ToolCall {
  readonly index: number;
  id: string | undefined;
  name: string | undefined;
  signature: string | undefined;
  /** Arguments that came before the block was started. */
  waiting: string;
  readonly progress: JsonProgress;
  isStopped: boolean;
}

/**
 * Makes content blocks from deltas of one choice. Blocks never overlap: where calls come interleaved, a later one waits
 * until the arguments of the one before are a whole JSON value. Text of nothing but white space makes no block.
 */
export class AnswerBlocks {
  readonly #sink: BlockSink;
  /** Prefix of ids of calls that the worker gave none. */
  readonly #idPrefix: string;
  #open: 'thinking' | 'text' | ToolCall | undefined = undefined;
  /** White space at the beginning of a text block that may come. */
  #space = '';
  readonly #calls = new Map<number, ToolCall>();
  /** Calls whose block was not started, oldest first. */
  readonly #pending: ToolCall[] = [];
  #waitingChars = 0;
  #quotable = '';

  constructor(sink: BlockSink, idPrefix: string) {
    this.#sink = sink;
    this.#idPrefix = idPrefix;
  }

  get hasToolCalls(): boolean {
    return this.#calls.size > 0;
  }

  /**
   * False for a delta that says something for which there is no block. Throws `upstream_protocol_error` for a call that
   * goes on after its block was stopped.
   */
  add(delta: Delta): boolean {
    switch (delta.kind) {
      case 'content':
      case 'text':
      case 'refusal':
        this.#addText(delta.text);
        return true;
      case 'reasoning':
        this.#addReasoning(delta.text);
        return true;
      case 'reasoning_signature':
        return this.#addSignature(delta);
      case 'tool_call':
        this.#addCall(delta);
        return true;
      case 'annotation':
        return this.#addCitation(delta.annotation);
      case 'vendor':
        return this.#addVendorBlock(delta.vendor, delta.data);
      case 'image':
      case 'audio':
        return false;
      case 'start':
      case 'keep_alive':
      case 'tokens':
      case 'finish':
      case 'usage':
        return true;
    }
  }

  /** The answer has ended: starts and stops what is left. */
  finish(): void {
    this.#closeAll();
  }

  #addText(text: string): void {
    if (text === '') return;
    if (this.#quotable.length < MAX_QUOTABLE_CHARS) this.#quotable += text;
    if (this.#open !== 'text') {
      const whole = this.#space + text;
      if (whole.trim() === '' && whole.length <= MAX_QUOTABLE_CHARS) {
        this.#space = whole;
        return;
      }
      this.#start('text', { type: 'text', text: '' });
      text = whole;
    }
    this.#sink.changeBlock({ type: 'text_delta', text });
  }

  #addReasoning(text: string): void {
    if (text === '') return;
    this.#openThinking();
    this.#sink.changeBlock({ type: 'thinking_delta', thinking: text });
  }

  #openThinking(): void {
    if (this.#open !== 'thinking') this.#start('thinking', { type: 'thinking', thinking: '', signature: '' });
  }

  /** Signatures of other vendors say nothing to a client of this one. */
  #addSignature({ vendor, signature, redacted }: Signature): boolean {
    if (vendor !== VENDOR) return false;
    if (redacted === true) {
      this.#wholeBlock({ type: 'redacted_thinking', data: signature });
      return true;
    }
    this.#openThinking();
    this.#sink.changeBlock({ type: 'signature_delta', signature });
    this.#closeAll();
    return true;
  }

  #addVendorBlock(vendor: string, data: unknown): boolean {
    if (vendor !== VENDOR || !isJsonObject(data) || typeof data.type !== 'string') return false;
    this.#wholeBlock(data);
    return true;
  }

  #addCitation({ url, title, startIndex, endIndex }: Annotation): boolean {
    if (this.#open !== 'text') return false;
    const cited = this.#quotable.slice(startIndex, Math.min(endIndex, startIndex + MAX_CITED_CHARS));
    const citation = { type: 'web_search_result_location', url, title, cited_text: cited, encrypted_index: '' };
    this.#sink.changeBlock({ type: 'citations_delta', citation });
    return true;
  }

  #addCall(delta: ToolCallDelta): void {
    const call = this.#callOf(delta.index);
    call.id ??= delta.id;
    call.name ??= delta.name;
    call.signature ??= delta.signature;
    const fragment = delta.arguments ?? '';
    if (this.#open === call) this.#writeArguments(call, fragment);
    else if (!call.isStopped) this.#keepArguments(call, fragment);
    else if (fragment.trim() !== '') {
      const message = 'The worker went on with a tool call that had ended';
      throw new GatewayError('upstream_protocol_error', message, { details: 'tool_call_after_end' });
    }
    this.#startReadyCalls();
  }

  #callOf(index: number): ToolCall {
    let call = this.#calls.get(index);
    if (call === undefined) {
      const progress = new JsonProgress();
      const unknown = { id: undefined, name: undefined, signature: undefined };
      call = { index, ...unknown, waiting: '', progress, isStopped: false };
      this.#calls.set(index, call);
      this.#pending.push(call);
    }
    return call;
  }

  #writeArguments(call: ToolCall, fragment: string): void {
    if (fragment === '') return;
    call.progress.push(fragment);
    this.#sink.changeBlock({ type: 'input_json_delta', partial_json: fragment });
  }

  #keepArguments(call: ToolCall, fragment: string): void {
    call.waiting += fragment;
    this.#waitingChars += fragment.length;
    if (this.#waitingChars > MAX_WAITING_CHARS) {
      const message = 'The worker sent too much of a tool call before it named it or ended the one before';
      throw new GatewayError('upstream_response_too_large', message, { details: 'tool_calls_interleaved' });
    }
  }

  /** In order: no call is started before its name is known and the one before it has all its arguments. */
  #startReadyCalls(): void {
    for (;;) {
      const next = this.#pending[0];
      if (next?.name === undefined) return;
      if (typeof this.#open === 'object' && !this.#open.progress.isComplete) return;
      this.#stopOpen();
      this.#startCall(next);
    }
  }

  #startCall(call: ToolCall): void {
    this.#pending.shift();
    this.#space = '';
    this.#open = call;
    const id = joinToolUseId(call.id ?? `${this.#idPrefix}${call.index}`, call.signature);
    this.#sink.startBlock({ type: 'tool_use', id, name: call.name ?? '', input: {} });
    const { waiting } = call;
    call.waiting = '';
    this.#waitingChars -= waiting.length;
    this.#writeArguments(call, waiting);
  }

  #start(kind: 'thinking' | 'text', block: JsonObject): void {
    this.#closeAll();
    this.#open = kind;
    this.#sink.startBlock(block);
  }

  #wholeBlock(block: JsonObject): void {
    this.#closeAll();
    this.#sink.startBlock(block);
    this.#sink.stopBlock();
  }

  /** Something else follows: calls that wait for more are taken as they are. */
  #closeAll(): void {
    this.#stopOpen();
    while (this.#pending.length > 0) {
      this.#startCall(this.#pending[0] as ToolCall);
      this.#stopOpen();
    }
    this.#space = '';
  }

  #stopOpen(): void {
    if (this.#open === undefined) return;
    if (typeof this.#open === 'object') this.#open.isStopped = true;
    this.#open = undefined;
    this.#sink.stopBlock();
  }
}
