/** Longest piece in UTF-16 units. English comes out at about five characters a token. */
const PIECE_MAX_UNITS = 8;
const LINE_FEED = 0x0a;
const SPACE = 0x20;
const SENTENCE_TOKENS = 12;

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

/** Token ids of {@link splitPieces}; at least one, so that an empty prompt is a sequence, too. */
export function tokenize(text: string): Uint32Array {
  const ids: number[] = [];
  for (let start = 0; start < text.length; ) {
    const end = pieceEnd(text, start);
    ids.push(pieceId(text, start, end));
    start = end;
  }
  return ids.length === 0 ? Uint32Array.of(0) : Uint32Array.from(ids);
}

/** Id of one piece: 17 bits, like a vocabulary of 131,072. */
export function pieceId(text: string, start = 0, end = text.length): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) & 0x1_ffff;
}

/** 32-bit hash of token ids, unsigned: what decides the answer to a prompt. */
export function hashIds(ids: Uint32Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < ids.length; i++) hash = Math.imul(hash ^ (ids[i] as number), 0x01000193);
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
  const last = text.charCodeAt(end - 1);
  // Half of a surrogate pair stays for the next piece.
  return last >= 0xd800 && last <= 0xdbff && end - 1 > start ? end - 1 : end;
}
