import {
  GatewayError,
  type Part,
  type ToolCallPart,
  type ToolResultPart,
  type Turn,
  type VendorPart,
} from '../../../core/api/index.js';
import { toolArguments } from '../translate/tool-arguments.js';
import type { EncodeContext } from './encode-context.js';
import { encodeMedia, isMedia } from './media.js';
import { PLACEHOLDER_SIGNATURE, splitSignedId } from './thought-signatures.js';
import { type EncodedResult, encodeToolResult } from './tool-results.js';
import type { GeminiContent, GeminiPart } from './wire.js';

/** A conversation's turns in Gemini's two places for them. */
export interface EncodedContents {
  /** Never empty. */
  readonly contents: readonly GeminiContent[];
  /** Parts of the `systemInstruction`; may be empty. */
  readonly system: readonly GeminiPart[];
}

/** Writes the turns. Throws `unsupported_content_part`, `remote_media_not_supported`, and `invalid_value` where nothing is said. */
export function encodeContents(turns: readonly Turn[], context: EncodeContext): EncodedContents {
  const writer = new ContentsWriter(context);
  for (const turn of turns) writer.write(turn);
  return writer.finish();
}

/** A call of history: the worker's name of its function, and its place among all calls. */
interface KnownCall {
  readonly name: string;
  readonly order: number;
}

/** An answer that waits for the others of its step. */
interface PendingResult extends EncodedResult {
  readonly order: number;
}

class ContentsWriter {
  readonly #context: EncodeContext;
  readonly #contents: GeminiContent[] = [];
  readonly #system: GeminiPart[] = [];
  /** Where the parts of the last system turn begin. */
  #lastSystemAt = 0;
  /** The last content, while more of the same role may be added. */
  #open: GeminiContent | undefined = undefined;
  /** By id without signature; the latest of several. */
  readonly #calls = new Map<string, KnownCall>();
  #callCount = 0;
  #results: PendingResult[] = [];

  constructor(context: EncodeContext) {
    this.#context = context;
  }

  write(turn: Turn): void {
    if (turn.role === 'system') this.#writeSystem(turn);
    else if (turn.role === 'tool') for (const part of turn.parts) this.#addResult(part as ToolResultPart);
    else if (turn.role === 'assistant') this.#append('model', this.#assistantParts(turn));
    else
      this.#append(
        'user',
        turn.parts.flatMap((part) => this.#userPart(part)),
      );
  }

  finish(): EncodedContents {
    this.#flushResults();
    // Contents must not be empty: what was said last by the system is then what the user asks.
    if (this.#contents.length === 0 && this.#system.length > 0) {
      this.#append('user', this.#system.splice(this.#lastSystemAt));
    }
    if (this.#contents.length === 0) {
      throw new GatewayError('invalid_value', 'At least one message must have content', { param: 'messages' });
    }
    return { contents: this.#contents, system: this.#system };
  }

  #writeSystem(turn: Turn): void {
    const parts = turn.parts.flatMap((part) => {
      if (part.kind === 'text') return textParts(part.text);
      throw notCarried(part, 'system');
    });
    if (parts.length === 0) return;
    this.#lastSystemAt = this.#system.length;
    this.#system.push(...parts);
  }

  /** Neighbours of one role become one content. */
  #append(role: GeminiContent['role'], parts: GeminiPart[]): void {
    if (parts.length === 0) return;
    this.#flushResults();
    if (this.#open?.role === role) {
      this.#open.parts.push(...parts);
      return;
    }
    this.#open = { role, parts };
    this.#contents.push(this.#open);
  }

  #userPart(part: Part): GeminiPart[] {
    if (part.kind === 'text' || part.kind === 'refusal') return textParts(part.text);
    if (part.kind === 'vendor') return this.#vendorPart(part);
    if (!isMedia(part)) throw notCarried(part, 'user');
    const media = encodeMedia(part, this.#context.features);
    if (part.kind !== 'document') return [media];
    // Gemini has no place for them beside the file.
    return [...textParts(part.context ?? ''), media];
  }

  #assistantParts(turn: Turn): GeminiPart[] {
    const parts: GeminiPart[] = [];
    let signature: string | undefined;
    let thought = '';
    for (const part of turn.parts) {
      if (part.kind === 'text' || part.kind === 'refusal') parts.push(...textParts(part.text));
      else if (part.kind === 'tool_call') parts.push(this.#call(part, parts));
      else if (part.kind === 'vendor') parts.push(...this.#vendorPart(part));
      else if (isMedia(part)) parts.push(encodeMedia(part, this.#context.features));
      else if (part.kind === 'reasoning' && part.vendor === 'gemini' && part.signature !== undefined) {
        signature = part.signature;
        thought = part.text;
      }
      // Thoughts of other vendors, or without a signature, mean nothing to Gemini.
    }
    if (signature !== undefined) sign(parts, signature, thought);
    return parts;
  }

  /** Only the first call of a model's content carries a signature. */
  #call(part: ToolCallPart, before: readonly GeminiPart[]): GeminiPart {
    const { base, signature: inId } = splitSignedId(part.id);
    const name = this.#context.names.toWorker(part.name);
    this.#calls.set(base, { name, order: this.#callCount++ });
    const call: GeminiPart = { functionCall: { name, args: toolArguments(part) } };
    const merged = this.#open?.role === 'model' && this.#results.length === 0 ? this.#open.parts : [];
    if (hasCall(before) || hasCall(merged)) return call;
    const signature = part.signature ?? inId ?? this.#context.signatures.recall(base);
    if (signature !== undefined) call.thoughtSignature = signature;
    else if (this.#context.features.signaturesRequired) call.thoughtSignature = PLACEHOLDER_SIGNATURE;
    return call;
  }

  /** Blocks of a vendor's own tools: Gemini's go back as they came, those of others are left out. */
  #vendorPart({ vendor, data, param }: VendorPart): GeminiPart[] {
    if (vendor === 'gemini') return [data as GeminiPart];
    this.#context.unsupported.drop(param);
    return [];
  }

  #addResult(part: ToolResultPart): void {
    const call = this.#calls.get(splitSignedId(part.callId).base);
    const name = call?.name ?? (part.name === undefined ? undefined : this.#context.names.toWorker(part.name));
    if (name === undefined) {
      const message = 'This tool result answers no tool call of the conversation';
      throw new GatewayError('invalid_value', message, { param: part.param });
    }
    const result = encodeToolResult(part, name, this.#context.features);
    this.#results.push({ ...result, order: call?.order ?? Number.POSITIVE_INFINITY });
  }

  /** All answers of a step are one content of their own, in the order of the calls: without ids Gemini pairs them by it. */
  #flushResults(): void {
    if (this.#results.length === 0) return;
    const results = this.#results.sort((a, b) => (a.order === b.order ? 0 : a.order - b.order));
    this.#results = [];
    this.#contents.push({
      role: 'user',
      parts: results.map(({ response }) => ({ functionResponse: response })),
    });
    this.#open = undefined;
    this.#append(
      'user',
      results.flatMap(({ media }) => media),
    );
  }
}

/** Gemini refuses empty texts. */
function textParts(text: string): GeminiPart[] {
  return text === '' ? [] : [{ text }];
}

function hasCall(parts: readonly GeminiPart[]): boolean {
  return parts.some(({ functionCall }) => functionCall !== undefined);
}

/** A signature that came with text or thoughts goes back on the last text, else on the thoughts themselves. */
function sign(parts: GeminiPart[], signature: string, thought: string): void {
  const text = parts.findLast((part) => part.text !== undefined);
  if (text !== undefined) text.thoughtSignature = signature;
  else if (!hasCall(parts)) parts.push({ text: thought, thought: true, thoughtSignature: signature });
}

function notCarried(part: Part, role: string): GatewayError {
  const message = `The worker of this model takes no part of kind '${part.kind}' in a ${role} message`;
  return new GatewayError('unsupported_content_part', message, { param: part.param });
}
