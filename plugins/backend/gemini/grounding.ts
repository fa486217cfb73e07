import type { UrlCitation } from '../../../core/api/index.js';
import type { GroundingMetadata } from './wire.js';

/** Characters of an answer's text that are kept for citations; what lies behind gets none. */
const MAX_TEXT_CHARS = 4 * 1024 * 1024;
const MAX_CITATIONS = 1000;

/** One text of the model within the content that the client gets. */
interface TextPiece {
  /** UTF-16 offset in the content. */
  readonly start: number;
  readonly text: string;
  /** Index of its part in a whole answer; undefined in streams, where texts are pieces of one. */
  readonly part: number | undefined;
}

/** A passage in UTF-16 offsets of the content. */
interface Passage {
  readonly startIndex: number;
  readonly endIndex: number;
}

type Support = NonNullable<GroundingMetadata['groundingSupports']>[number];

/**
 * Keeps the texts of one candidate, so that the sources that Gemini names by byte offsets can be named by offsets in the
 * content. Only for requests that may search.
 */
export class GroundedText {
  readonly #pieces: TextPiece[] = [];
  #chars = 0;
  #metadata: GroundingMetadata | undefined = undefined;

  /** `start`: where the text begins in the content, UTF-16. */
  addText(start: number, text: string, part: number | undefined): void {
    if (this.#chars + text.length > MAX_TEXT_CHARS) return;
    this.#chars += text.length;
    this.#pieces.push({ start, text, part });
  }

  /** The last one that names passages counts. */
  addMetadata(metadata: GroundingMetadata): void {
    if (Array.isArray(metadata.groundingSupports) && Array.isArray(metadata.groundingChunks)) this.#metadata = metadata;
  }

  citations(): UrlCitation[] {
    const { groundingSupports = [], groundingChunks = [] } = this.#metadata ?? {};
    const passages = this.#passages(groundingSupports);
    const found: UrlCitation[] = [];
    groundingSupports.forEach((support, position) => {
      const passage = passages[position];
      if (passage === undefined) return;
      for (const index of support.groundingChunkIndices ?? []) {
        const web = groundingChunks[index]?.web;
        if (typeof web?.uri !== 'string' || found.length >= MAX_CITATIONS) continue;
        found.push({ url: web.uri, title: web.title ?? web.uri, ...passage });
      }
    });
    return found;
  }

  #passages(supports: readonly Support[]): (Passage | undefined)[] {
    const byPart = new Map<number, PieceText>();
    return supports.map(({ segment }) => {
      if (segment === undefined) return undefined;
      const part = segment.partIndex ?? 0;
      let text = byPart.get(part);
      if (text === undefined) {
        text = new PieceText(this.#piecesOf(part));
        byPart.set(part, text);
      }
      return text.passage(segment.startIndex ?? 0, segment.endIndex ?? 0, segment.text);
    });
  }

  /** Of the named part; of the whole answer where that part holds no text (Google counts thoughts in some answers only). */
  #piecesOf(part: number): readonly TextPiece[] {
    const own = this.#pieces.filter((piece) => piece.part === part);
    return own.length > 0 ? own : this.#pieces;
  }
}

/** The texts that byte offsets refer to, as one. */
class PieceText {
  readonly #pieces: readonly TextPiece[];
  readonly #text: string;
  readonly #offsets: Utf8Offsets;

  constructor(pieces: readonly TextPiece[]) {
    this.#pieces = pieces;
    this.#text = pieces.map(({ text }) => text).join('');
    this.#offsets = new Utf8Offsets(this.#text);
  }

  passage(startByte: number, endByte: number, quoted: string | undefined): Passage | undefined {
    let start = this.#offsets.toUtf16(startByte);
    let end = this.#offsets.toUtf16(endByte);
    // Offsets that do not fit what they quote are off by what was left out of the text; the quotation is right.
    if (quoted !== undefined && quoted !== '' && this.#text.slice(start, end) !== quoted) {
      const at = this.#text.indexOf(quoted);
      if (at >= 0) [start, end] = [at, at + quoted.length];
    }
    return end <= start ? undefined : { startIndex: this.#inContent(start), endIndex: this.#inContent(end - 1) + 1 };
  }

  #inContent(offset: number): number {
    let before = 0;
    for (const { start, text } of this.#pieces) {
      if (offset < before + text.length) return start + offset - before;
      before += text.length;
    }
    return offset;
  }
}

/** Byte offsets of UTF-8 in UTF-16 units, by one walk over the text as long as they ascend. */
class Utf8Offsets {
  readonly #text: string;
  #units = 0;
  #bytes = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** An offset within a character is moved to its begin; one past the end is the end. */
  toUtf16(byteOffset: number): number {
    if (byteOffset < this.#bytes) {
      this.#units = 0;
      this.#bytes = 0;
    }
    while (this.#units < this.#text.length) {
      const code = this.#text.codePointAt(this.#units) as number;
      const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
      if (this.#bytes + size > byteOffset) break;
      this.#bytes += size;
      this.#units += code > 0xffff ? 2 : 1;
    }
    return this.#units;
  }
}
