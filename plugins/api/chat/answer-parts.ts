import type { RenderContext } from '../../../core/api/client-api.js';
import { BugError } from '../../../core/api/errors.js';
import type { Delta, FinishReason, TextLogprobs, UrlCitation } from '../../../core/api/inference.js';

/** What streamed and collected chat answers have in common: the shapes of their parts. */

export type ToolCallDelta = Extract<Delta, { kind: 'tool_call' }>;
export type StartDelta = Extract<Delta, { kind: 'start' }>;
export type FinishDelta = Extract<Delta, { kind: 'finish' }>;
export type SignatureDelta = Extract<Delta, { kind: 'reasoning_signature' }>;

/** How the answer was served, where the worker says so. */
export function serviceTierField({ serviceTier }: StartDelta): object {
  return serviceTier === undefined ? {} : { service_tier: serviceTier };
}

/** OpenAI's `logprobs` object of a choice. */
export function chatLogprobs(logprobs: TextLogprobs): object {
  return {
    content: logprobs.content.map(({ token, logprob, bytes, top }) => ({ token, logprob, bytes, top_logprobs: top })),
  };
}

/** `stop` after calls were made is `tool_calls` in OpenAI's words. */
export function finishReason(reason: FinishReason, hasToolCalls: boolean): FinishReason {
  return reason === 'stop' && hasToolCalls ? 'tool_calls' : reason;
}

/** What a finished choice says beside OpenAI's reason. */
export function finishExtras(finish: FinishDelta | undefined): object {
  return {
    ...(finish?.matchedStop === undefined ? {} : { matched_stop: finish.matchedStop }),
    ...(finish?.providerReason === undefined ? {} : { provider_finish_reason: finish.providerReason }),
  };
}

export function callId(call: ToolCallDelta, context: RenderContext): string {
  return call.id ?? `call_${context.responseId}_${call.choice}_${call.index}`;
}

/** In Google's spelling: it must come back with the call. */
export function signedCall(signature: string | undefined): object {
  return signature === undefined ? {} : { extra_content: { google: { thought_signature: signature } } };
}

export function annotationPart(citation: UrlCitation): object {
  const { url, title, startIndex, endIndex } = citation;
  return { type: 'url_citation', url_citation: { url, title, start_index: startIndex, end_index: endIndex } };
}

export function imagePart(url: string): object {
  return { type: 'image_url', image_url: { url } };
}

/** Speech has an id and an end of life at OpenAI; the gateway keeps none, so it has ended when it comes. */
export function audioHead(context: RenderContext): { readonly id: string; readonly expires_at: number } {
  return { id: `audio_${context.responseId}`, expires_at: context.createdS };
}

/** Most characters of thoughts that are kept for their signature. */
const MAX_THINKING_CHARS = 8 * 1024 * 1024;

/** The thoughts of a choice since the last signature. */
export class ThinkingText {
  #text = '';
  #tooLong = false;

  add(text: string): void {
    if (this.#text.length + text.length > MAX_THINKING_CHARS) this.#tooLong = true;
    else this.#text += text;
  }

  /**
   * Entry of `thinking_blocks` for a signature: the extension by which clients hand signed thoughts back. Undefined where
   * the thoughts were too long to keep: half of them would not fit the signature.
   */
  sign(delta: SignatureDelta): object | undefined {
    const { signature, redacted } = delta;
    const vendor = delta.vendor === 'anthropic' ? {} : { vendor: delta.vendor };
    if (redacted === true) return { type: 'redacted_thinking', data: signature, ...vendor };
    const thinking = this.#text;
    const whole = !this.#tooLong;
    this.#text = '';
    this.#tooLong = false;
    return whole ? { type: 'thinking', thinking, signature, ...vendor } : undefined;
  }
}

export function notRendered(kind: Delta['kind']): BugError {
  return new BugError(`A delta of kind '${kind}' reached the renderer: the filter that turns it into text is missing`);
}
