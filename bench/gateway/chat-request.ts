import { type AnswerKind, MODEL, SEQUENCE_DIGITS } from './answers.js';

/** Last bytes of the prompt; the fake worker looks for them from the end of the body. */
export const PROMPT_END = ':bench-end';

const PROMPT_START = 'bench:';
const KIND_CODES = { chat: 'c', burst: 'b', paced: 'p' } as const;
const CONTENT_CHUNK_CHARS = 1800;

const VOCABULARY =
  'worker prompt token batch prefix stream answer model queue latency cache request gateway event window budget route'.split(
    ' ',
  );

/** A chat request body that ends in a request number, so that no two bodies are equal. */
export interface ChatRequest {
  readonly body: Buffer;
  /** Where the {@link SEQUENCE_DIGITS} digits of the request number begin in {@link body}. */
  readonly sequenceOffset: number;
}

/** What the fake worker reads from the end of a prompt. */
export interface PromptTail {
  readonly kind: AnswerKind;
  /** Where the digits of the request number begin in the body. */
  readonly sequenceOffset: number;
}

/** Builds a body of exactly `bodyBytes` bytes (at least 512) that asks for an answer of that kind. */
export function createChatRequest(bodyBytes: number, kind: AnswerKind): ChatRequest {
  const head =
    `{"model":"${MODEL}","stream":${kind !== 'chat'},"max_tokens":256,"temperature":0.7,"top_p":0.95,` +
    '"messages":[{"role":"system","content":"Answer briefly."}';
  const tail = ` ${PROMPT_START}${KIND_CODES[kind]}:${'0'.repeat(SEQUENCE_DIGITS)}${PROMPT_END}"}]}`;
  const random = createRandom();
  let text = head;
  for (let turn = 0; bodyBytes - text.length - tail.length > 2 * CONTENT_CHUNK_CHARS; turn++) {
    text += `,{"role":"${turn % 2 === 0 ? 'user' : 'assistant'}","content":"${createProse(CONTENT_CHUNK_CHARS, random)}"}`;
  }
  text += ',{"role":"user","content":"';
  text += createProse(bodyBytes - text.length - tail.length, random) + tail;
  if (text.length !== bodyBytes) throw new RangeError(`bodyBytes ${bodyBytes} is too small for a chat request`);
  JSON.parse(text);
  return { body: Buffer.from(text, 'latin1'), sequenceOffset: bodyBytes - tail.length + PROMPT_START.length + 3 };
}

const PROMPT_END_BYTES = Buffer.from(PROMPT_END, 'latin1');

/** Finds the mark that {@link createChatRequest} left, wherever a gateway moved it; undefined when it is damaged. */
export function findPromptTail(body: Buffer): PromptTail | undefined {
  const end = body.lastIndexOf(PROMPT_END_BYTES);
  const sequenceOffset = end - SEQUENCE_DIGITS;
  const start = sequenceOffset - PROMPT_START.length - 2;
  if (end === -1 || start < 0) return undefined;
  const mark = body.toString('latin1', start, sequenceOffset);
  if (mark === 'bench:c:') return { kind: 'chat', sequenceOffset };
  if (mark === 'bench:b:') return { kind: 'burst', sequenceOffset };
  if (mark === 'bench:p:') return { kind: 'paced', sequenceOffset };
  return undefined;
}

/** Numbers below `below`, the same ones in every run. */
function createRandom(): (below: number) => number {
  let state = 20261124;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
}

/** JSON-escaped words, with a quote or a line break now and then as prompts have them, cut to `length` characters. */
function createProse(length: number, random: (below: number) => number): string {
  let prose = '';
  while (prose.length < length) {
    prose += VOCABULARY[random(VOCABULARY.length)];
    const separator = random(24);
    prose += separator === 0 ? '.\\n' : separator === 1 ? ' \\"so\\" ' : ' ';
  }
  prose = prose.slice(0, Math.max(length, 0));
  // An escape that was cut in two would break the JSON.
  return prose.replace(/\\+$/, (escapes) => 'x'.repeat(escapes.length));
}
