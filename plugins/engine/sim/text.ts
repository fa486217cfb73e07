/** Longest piece in UTF-16 units. English comes out at about five characters a token. */
const PIECE_MAX_UNITS = 8;
const LINE_FEED = 0x0a;
const SPACE = 0x20;
const SENTENCE_TOKENS = 12;
/** Of the FNV-1a hash, 32 bits. */
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Each is one piece with its leading blank and a full stop; some are not ASCII, so that cut bytes show. */
const WORDS =
  'a able about above across after air all along also and answer any apple are around as ask at away bank be bird blue boat both bread bridge bright but by café call calm carry case city clear cloud cold corn could dark day deep did door down draw dry each early earth east easy edge even every far farm fast field find fire first fish floor flow for fox free from garden gate give glass go gold good grass gray great green hand hard harbor heat here high hill home hour house how ice if in into iron is it just keep kind lake lamp land large last late leaf left light line little long loud low made map many mile milk moon more most move much near neighb never new next night noise north not now oak of off old on one open or other over owl own page paper part path pear place plain plant quick quiet rain read red rest river road rock roof room round run sail salt same sand say sea seed see seven shade shape ship shore short side sky slow small snow so soft some song south spring star stay step still stone storm street sun table tail take tall than that the then there they thin this time to town train tree true turn two under up very view voice walk wall warm was water wave way we well west wheat when where white wide wild wind winter with wood word work world yard year yellow young naïve über señor 東京 你好 🚀'.split(
    ' ',
  );

/**
 * Cuts text into pseudo tokens: a blank begins a new piece, a line feed is one, long words are cut after
 * {@link PIECE_MAX_UNITS}. Joined again they are the text. No piece splits a surrogate pair.
 */
export function splitPieces(text: string): string[] {
  const pieces: string[] = [];
  for (let start = 0; start < text.length; ) {
    const end = pieceEnd(text, start);
    pieces.push(text.slice(start, end));
    start = end;
  }
  return pieces;
}

/** Token ids of {@link splitPieces}; at least one, so that an empty prompt is a sequence, too. One pass, for speed. */
export function tokenize(text: string): Uint32Array {
  const ids = new Uint32Array(Math.max(1, text.length));
  let count = 0;
  let hash = FNV_OFFSET;
  let units = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Where pieceEnd cuts: before blanks and line feeds, after line feeds, and when a piece is full.
    if (units > 0 && (unit === SPACE || unit === LINE_FEED)) {
      ids[count++] = finishId(hash);
      hash = FNV_OFFSET;
      units = 0;
    }
    hash = Math.imul(hash ^ unit, FNV_PRIME);
    units += 1;
    const isFull = units >= PIECE_MAX_UNITS - 1 && isPieceFull(text, i, units);
    if (unit !== LINE_FEED && !isFull) continue;
    ids[count++] = finishId(hash);
    hash = FNV_OFFSET;
    units = 0;
  }
  if (units > 0) ids[count++] = finishId(hash);
  return ids.slice(0, Math.max(1, count));
}

/** Id of one piece: 17 bits, like a vocabulary of 131,072. */
export function pieceId(text: string, start = 0, end = text.length): number {
  let hash = FNV_OFFSET;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return finishId(hash);
}

/** 32-bit hash of token ids, unsigned: what decides the answer to a prompt. */
export function hashIds(ids: Uint32Array): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < ids.length; i++) hash = Math.imul(hash ^ (ids[i] as number), FNV_PRIME);
  return mix(hash);
}

/** Two numbers to one, evenly spread over 32 bits, unsigned. */
export function mix(a: number, b = 0): number {
  let hash = Math.imul(a ^ Math.imul(b + 0x9e3779b9, 0x85ebca6b), 0xc2b2ae35);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x7feb352d);
  hash ^= hash >>> 15;
  return hash >>> 0;
}

/** Piece `index` of the endless text that belongs to a seed. O(1): a stream of any length needs no memory. */
export function wordPiece(seed: number, index: number): string {
  const word = WORDS[mix(seed, index) % WORDS.length] as string;
  const place = index % SENTENCE_TOKENS;
  if (place === 0) {
    const capital = word.charAt(0).toUpperCase() + word.slice(1);
    return index === 0 ? capital : ` ${capital}`;
  }
  return place === SENTENCE_TOKENS - 1 ? ` ${word}.` : ` ${word}`;
}

function finishId(hash: number): number {
  return (hash ^ (hash >>> 15)) & 0x1_ffff;
}

/** Whether a piece whose last unit is at `index` takes no more: at its limit, or before a pair that would be split. */
function isPieceFull(text: string, index: number, units: number): boolean {
  if (units === PIECE_MAX_UNITS) return true;
  return isHighSurrogate(text.charCodeAt(index + 1)) && index + 2 < text.length;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function pieceEnd(text: string, start: number): number {
  if (text.charCodeAt(start) === LINE_FEED) return start + 1;
  const limit = Math.min(text.length, start + PIECE_MAX_UNITS);
  let end = start + 1;
  while (end < limit) {
    const unit = text.charCodeAt(end);
    if (unit === SPACE || unit === LINE_FEED) return end;
    end += 1;
  }
  if (end === text.length) return end;
  // Half of a surrogate pair stays for the next piece.
  return isHighSurrogate(text.charCodeAt(end - 1)) && end - 1 > start ? end - 1 : end;
}
