import type { Answer, AnswerRenderer, Choice } from './answer.js';
import { WholeAnswer } from './chat-endpoint.js';
import type { SimExchange } from './exchange.js';
import { generate } from './generation.js';
import { missing, readModel } from './request-fields.js';
import type { SimEngine } from './sim-engine.js';

/** Bytes of audio that count as one prompt token. */
const BYTES_PER_TOKEN = 1_024;
const BYTES_PER_SECOND = 16_000;

/** `POST /v1/audio/transcriptions` (multipart form); the transcript follows from the audio's size. */
export function handleTranscription(engine: SimEngine, exchange: SimExchange): void {
  const { body } = exchange;
  if (body.indexOf('name="file"') < 0) throw missing('file');
  const model = readFormField(body, 'model');
  readModel(engine, model === undefined ? {} : { model });
  const audioIds = Uint32Array.from({ length: Math.max(1, Math.ceil(body.length / BYTES_PER_TOKEN)) }, (_, index) =>
    Number(body[index * BYTES_PER_TOKEN] ?? 0),
  );
  const format = readFormField(body, 'response_format');
  generate(
    engine,
    exchange,
    {
      prompts: [audioIds],
      choices: 1,
      maxTokens: undefined,
      stop: [],
      ignoreEos: false,
      seed: 0,
      lastUserText: '',
      toolCalls: [],
    },
    readFormField(body, 'stream') === 'true'
      ? new TranscriptStream(exchange)
      : new WholeAnswer((answer) => sendTranscript(exchange, answer, format, body.length)),
  );
}

function sendTranscript(exchange: SimExchange, answer: Answer, format: string | undefined, bytes: number): void {
  const { text } = answer.choices[0] as Choice;
  if (format === 'text') {
    exchange.sendBytes(200, 'text/plain; charset=utf-8', Buffer.from(`${text}\n`));
    return;
  }
  const seconds = Math.max(1, Math.round(bytes / BYTES_PER_SECOND));
  exchange.sendJson(200, { text, usage: { type: 'duration', seconds } });
}

/** Value of a plain field of a multipart form. */
function readFormField(body: Buffer, name: string): string | undefined {
  const head = body.indexOf(`name="${name}"`);
  const start = head < 0 ? -1 : body.indexOf('\r\n\r\n', head);
  if (start < 0) return undefined;
  const end = body.indexOf('\r\n', start + 4);
  return body.toString('utf8', start + 4, end < 0 ? body.length : end).trim();
}

/** Events of a streamed transcript. */
class TranscriptStream implements AnswerRenderer {
  readonly streamed = true;
  readonly #exchange: SimExchange;

  constructor(exchange: SimExchange) {
    this.#exchange = exchange;
  }

  begin(): void {
    this.#exchange.startEvents();
  }

  tokens(choice: Choice, from: number, to: number): void {
    for (let index = from; index < to; index++) {
      this.#event({ type: 'transcript.text.delta', delta: choice.plan.pieceAt(index) });
    }
  }

  finish(choice: Choice): void {
    this.#event({ type: 'transcript.text.done', text: choice.text });
  }

  end(): void {
    this.#exchange.writeEvent('data: [DONE]\n\n');
    this.#exchange.endEvents();
  }

  #event(event: object): void {
    this.#exchange.writeEvent(`data: ${JSON.stringify(event)}\n\n`);
  }
}
