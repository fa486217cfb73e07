/** What the fake worker says, known byte for byte to the load client, so that every answer can be compared whole. */

/** `chat`: one JSON answer; `burst`: a stream as fast as it goes; `paced`: a stream with a pause between events. */
export type AnswerKind = 'chat' | 'burst' | 'paced';

/** Model name that the workers serve. */
export const MODEL = 'bench-model';

/** ASCII digits of the request number, which travels from the end of the prompt into the id of the answer. */
export const SEQUENCE_DIGITS = 8;

/** Events of a stream, without the closing `[DONE]`. */
export const STREAM_EVENTS = 64;

/** Pause between two events of a paced stream. */
export const PACE_MS = 5;

/** Events that a burst stream puts into one write. */
export const BURST_EVENTS_PER_WRITE = 4;

/** A payload whose request number is filled in per answer. */
export interface AnswerTemplate {
  readonly bytes: Buffer;
  /** Where the request number begins in {@link bytes}. */
  readonly sequenceOffset: number;
  /** End offset of each event, `[DONE]` included; empty for an answer that is not streamed. */
  readonly eventEnds: readonly number[];
}

const SEQUENCE_PLACE = '0'.repeat(SEQUENCE_DIGITS);
const ANSWER_ID = `chatcmpl-${SEQUENCE_PLACE}`;

/** Writes `sequence` as {@link SEQUENCE_DIGITS} ASCII digits. */
export function writeSequence(target: Buffer, offset: number, sequence: number): void {
  let rest = sequence;
  for (let i = offset + SEQUENCE_DIGITS - 1; i >= offset; i--) {
    target[i] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

function createChatAnswer(): AnswerTemplate {
  const text = `bench-answer ${'A short answer keeps the gateway, not the network, in the picture. '.repeat(3)}`;
  const answer = {
    id: ANSWER_ID,
    object: 'chat.completion',
    created: 1790000000,
    model: MODEL,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: text, tool_calls: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 212, completion_tokens: 48, total_tokens: 260, prompt_tokens_details: null },
  };
  return createTemplate(JSON.stringify(answer), []);
}

function createTemplate(text: string, eventEnds: readonly number[]): AnswerTemplate {
  const sequenceOffset = text.indexOf(ANSWER_ID) + ANSWER_ID.length - SEQUENCE_DIGITS;
  return { bytes: Buffer.from(text, 'latin1'), sequenceOffset, eventEnds };
}

function createStreamEvent(index: number): string {
  const isLast = index === STREAM_EVENTS - 1;
  const delta = index === 0 ? { role: 'assistant', content: '' } : isLast ? {} : { content: ` token${index}` };
  const event = {
    id: index === 0 ? ANSWER_ID : 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: 1790000000,
    model: MODEL,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: isLast ? 'stop' : null }],
  };
  return `data: ${JSON.stringify(event)}\n\n`;
}

/** Payload of every event in order, `[DONE]` last. The first one carries the request number. */
export const STREAM_EVENT_TEXTS: readonly string[] = [
  ...Array.from({ length: STREAM_EVENTS }, (_, index) => createStreamEvent(index)),
  'data: [DONE]\n\n',
];

function createStreamAnswer(): AnswerTemplate {
  let end = 0;
  const eventEnds = STREAM_EVENT_TEXTS.map((text) => {
    end += text.length;
    return end;
  });
  return createTemplate(STREAM_EVENT_TEXTS.join(''), eventEnds);
}

export const CHAT_ANSWER: AnswerTemplate = createChatAnswer();
export const STREAM_ANSWER: AnswerTemplate = createStreamAnswer();
