import type { JsonObject } from '../../../core/api/inference.js';
import { argumentsObject } from '../../../core/inference/call-arguments.js';
import type { BlockSink } from './answer-blocks.js';

/** Puts the blocks of an answer together. Texts are kept as pieces and joined once. */
export class CollectedBlocks implements BlockSink {
  readonly blocks: JsonObject[] = [];
  #pieces: string[] = [];
  #citations: unknown[] = [];
  #signature: unknown = undefined;

  startBlock(block: JsonObject): void {
    this.blocks.push({ ...block });
  }

  changeBlock(delta: JsonObject): void {
    if (delta.type === 'citations_delta') this.#citations.push(delta.citation);
    else if (delta.type === 'signature_delta') this.#signature = delta.signature;
    else this.#pieces.push((delta.text ?? delta.thinking ?? delta.partial_json) as string);
  }

  stopBlock(): void {
    const block = this.blocks.at(-1) as JsonObject;
    const pieces = this.#pieces.join('');
    if (block.type === 'text') block.text = pieces === '' ? block.text : pieces;
    else if (block.type === 'thinking') block.thinking = pieces;
    else if (block.type === 'tool_use') block.input = argumentsObject(pieces);
    if (this.#citations.length > 0) block.citations = this.#citations;
    if (this.#signature !== undefined) block.signature = this.#signature;
    this.#pieces = [];
    this.#citations = [];
    this.#signature = undefined;
  }
}
