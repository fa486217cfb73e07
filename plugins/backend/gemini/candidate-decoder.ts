import { customToolInput } from '../translate/tool-arguments.js';
import type { EmitDelta } from '../translate/worker-dialect.js';
import type { DecodeContext } from './decode-context.js';
import { decodeFinishReason } from './finish-reason.js';
import { GroundedText } from './grounding.js';
import { decodeLogprobs } from './logprobs.js';
import { joinSignedId } from './thought-signatures.js';
import type { AnswerCandidate, AnswerPart } from './wire.js';

/** Reads one candidate of an answer, whole or piece by piece, into the deltas of one choice. */
export class CandidateDecoder {
  readonly #choice: number;
  readonly #context: DecodeContext;
  readonly #grounded: GroundedText | undefined;
  #calls = 0;
  /** UTF-16 units of content so far. */
  #contentChars = 0;
  #finishReason: string | undefined = undefined;
  #finishMessage: string | undefined = undefined;
  #hasContent = false;

  constructor(choice: number, context: DecodeContext) {
    this.#choice = choice;
    this.#context = context;
    this.#grounded = context.maySearch ? new GroundedText() : undefined;
  }

  get finishReason(): string | undefined {
    return this.#finishReason;
  }

  /** What Gemini says about an end that is no good one. */
  get finishMessage(): string | undefined {
    return this.#finishMessage;
  }

  /** Whether it said anything that a client can use. */
  get hasContent(): boolean {
    return this.#hasContent;
  }

  /** `whole`: not a piece of a stream, so that the indices of its parts mean something. */
  push(candidate: AnswerCandidate, whole: boolean, emit: EmitDelta): void {
    const { content, finishReason, finishMessage, groundingMetadata } = candidate;
    let logprobs = decodeLogprobs(candidate.logprobsResult);
    const parts = Array.isArray(content?.parts) ? content.parts : [];
    parts.forEach((part: AnswerPart, index) => {
      if (typeof part !== 'object' || part === null) return;
      const isText = typeof part.text === 'string' && part.thought !== true;
      if (isText && (part.text !== '' || logprobs !== undefined)) {
        this.#grounded?.addText(this.#contentChars, part.text as string, whole ? index : undefined);
        this.#content(part.text as string, emit, logprobs);
        logprobs = undefined;
      }
      this.#part(part, emit);
    });
    if (logprobs !== undefined) this.#content('', emit, logprobs);
    if (groundingMetadata !== undefined) this.#grounded?.addMetadata(groundingMetadata);
    if (typeof finishReason === 'string') this.#finishReason = finishReason;
    if (typeof finishMessage === 'string') this.#finishMessage = finishMessage;
  }

  /** All sources, and the end. */
  finish(emit: EmitDelta): void {
    const choice = this.#choice;
    for (const annotation of this.#grounded?.citations() ?? []) emit({ kind: 'annotation', choice, annotation });
    emit({ kind: 'finish', choice, ...decodeFinishReason(this.#finishReason ?? '', this.#calls > 0) });
  }

  #content(text: string, emit: EmitDelta, logprobs?: ReturnType<typeof decodeLogprobs>): void {
    this.#contentChars += text.length;
    if (text !== '') this.#hasContent = true;
    emit({ kind: 'content', choice: this.#choice, text, ...(logprobs === undefined ? {} : { logprobs }) });
  }

  /** Everything but the model's own text. */
  #part(part: AnswerPart, emit: EmitDelta): void {
    const choice = this.#choice;
    const { functionCall, inlineData, executableCode, codeExecutionResult, thoughtSignature } = part;
    if (part.thought === true && typeof part.text === 'string' && part.text !== '') {
      emit({ kind: 'reasoning', choice, text: part.text });
    }
    if (functionCall !== undefined) this.#call(functionCall, thoughtSignature, emit);
    else if (typeof thoughtSignature === 'string') {
      emit({ kind: 'reasoning_signature', choice, vendor: 'gemini', signature: thoughtSignature });
    }
    // A draft of an image is part of the thoughts, which can show no images.
    if (inlineData !== undefined && part.thought !== true) this.#media(inlineData, emit);
    if (!this.#context.codeInContent) return;
    if (typeof executableCode?.code === 'string') this.#content(codeBlock(executableCode), emit);
    if (typeof codeExecutionResult?.output === 'string') this.#content(outputBlock(codeExecutionResult.output), emit);
  }

  #call(call: NonNullable<AnswerPart['functionCall']>, signature: string | undefined, emit: EmitDelta): void {
    const { names, customTools, signatures, signatureInId, parallelCalls, makeId } = this.#context;
    this.#hasContent = true;
    // Gemini cannot be told to make one call at a time.
    if (!parallelCalls && this.#calls > 0) return;
    const base = typeof call.id === 'string' && call.id !== '' ? call.id : makeId();
    const name = names.toClient(call.name ?? '');
    const isCustom = customTools.has(name);
    const signed = typeof signature === 'string' && signature !== '' ? signature : undefined;
    if (signed !== undefined) signatures.remember(base, signed);
    const id = signed !== undefined && signatureInId ? joinSignedId(base, signed) : base;
    const index = this.#calls++;
    const choice = this.#choice;
    emit({
      kind: 'tool_call',
      choice,
      index,
      id,
      name,
      ...(isCustom ? { custom: true } : {}),
      ...(signed === undefined ? {} : { signature: signed }),
    });
    const text = isCustom ? customToolInput(call.args) : JSON.stringify(call.args ?? {});
    emit({ kind: 'tool_call', choice, index, arguments: text, ...(isCustom ? { custom: true } : {}) });
  }

  #media({ mimeType = '', data }: NonNullable<AnswerPart['inlineData']>, emit: EmitDelta): void {
    if (typeof data !== 'string') return;
    const choice = this.#choice;
    if (mimeType.startsWith('image/')) emit({ kind: 'image', choice, url: `data:${mimeType};base64,${data}` });
    else if (mimeType.startsWith('audio/')) emit({ kind: 'audio', choice, mediaType: mimeType, data });
    else return;
    this.#hasContent = true;
  }
}

function codeBlock({ language = '', code = '' }: NonNullable<AnswerPart['executableCode']>): string {
  const named = language === 'LANGUAGE_UNSPECIFIED' ? '' : language.toLowerCase();
  return `\n\`\`\`${named}\n${withLineEnd(code)}\`\`\`\n`;
}

function outputBlock(output: string): string {
  return `\n${withLineEnd(output)}`;
}

function withLineEnd(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}
