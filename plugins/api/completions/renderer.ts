import type { DeltaRenderer, RenderContext } from '../../../core/api/client-api.js';
import { BugError, type GatewayError } from '../../../core/api/errors.js';
import type { ResponseHeaders } from '../../../core/api/headers.js';
import type { Delta, InferenceRequest, TextLogprobs, TokenUsage } from '../../../core/api/inference.js';
import {
  ChunkWriter,
  collectedBody,
  jsonHeaders,
  KEEP_ALIVE,
  openAiErrorEvent,
  startedContext,
  streamHeaders,
  wantsUsage,
} from '../openai-wire.js';

type FinishDelta = Extract<Delta, { kind: 'finish' }>;

export function createCompletionsRenderer(request: InferenceRequest, context: RenderContext): DeltaRenderer {
  return request.stream
    ? new CompletionsStreamRenderer(context, wantsUsage(request))
    : new CompletionsCollector(context);
}

/** Log probabilities in the older form: parallel lists; offsets count UTF-16 units from the beginning of the text. */
class LegacyLogprobs {
  readonly tokens: string[] = [];
  readonly token_logprobs: number[] = [];
  readonly top_logprobs: Record<string, number>[] = [];
  readonly text_offset: number[] = [];

  /** Returns the offset behind the last token. */
  add(logprobs: TextLogprobs, offset: number): number {
    let at = offset;
    for (const { token, logprob, top } of logprobs.content) {
      this.tokens.push(token);
      this.token_logprobs.push(logprob);
      this.top_logprobs.push(Object.fromEntries(top.map((rival) => [rival.token, rival.logprob])));
      this.text_offset.push(at);
      at += token.length;
    }
    return at;
  }
}

type TextDelta = Extract<Delta, { kind: 'text' | 'content' | 'reasoning' | 'refusal' }>;

/** Whether a delta is text, whatever part of the answer it was taken for; this dialect has no place for others. */
function isText(delta: Delta): delta is TextDelta {
  if (delta.kind === 'tokens')
    throw new BugError("A delta of kind 'tokens' reached the renderer: there is no tokenizer");
  return ['text', 'content', 'reasoning', 'refusal'].includes(delta.kind);
}

function logprobsOf(delta: TextDelta): TextLogprobs | undefined {
  return delta.kind === 'text' || delta.kind === 'content' ? delta.logprobs : undefined;
}

function finishExtras(finish: FinishDelta | undefined): object {
  return {
    ...(finish?.matchedStop === undefined ? {} : { matched_stop: finish.matchedStop }),
    ...(finish?.providerReason === undefined ? {} : { provider_finish_reason: finish.providerReason }),
  };
}

/** Writes deltas as `text_completion` chunks. */
class CompletionsStreamRenderer implements DeltaRenderer {
  droppedDeltas = 0;
  readonly #includeUsage: boolean;
  #context: RenderContext;
  /** Made with the first chunk: from then on id and model are fixed. */
  #writer: ChunkWriter | undefined = undefined;
  /** Offset behind the tokens sent, by choice; only where log probabilities are written. */
  readonly #offsets = new Map<number, number>();
  #usage: TokenUsage | undefined = undefined;

  constructor(context: RenderContext, includeUsage: boolean) {
    this.#context = context;
    this.#includeUsage = includeUsage;
  }

  headers(): ResponseHeaders {
    return streamHeaders();
  }

  delta(delta: Delta): Buffer | undefined {
    if (delta.kind === 'usage') {
      this.#usage = { ...this.#usage, ...delta.usage };
      return undefined;
    }
    if (delta.kind === 'start') {
      if (this.#writer === undefined) this.#context = startedContext(this.#context, 'cmpl-', delta);
      return undefined;
    }
    if (delta.kind === 'keep_alive') return Buffer.from(KEEP_ALIVE);
    if (delta.kind === 'finish') {
      const choice = {
        text: '',
        index: delta.choice,
        logprobs: null,
        finish_reason: delta.reason,
        ...finishExtras(delta),
      };
      return this.#chunks().choice(JSON.stringify(choice));
    }
    if (!isText(delta)) {
      this.droppedDeltas++;
      return undefined;
    }
    const logprobs = this.#logprobs(delta.choice, logprobsOf(delta));
    return this.#chunks().choice(
      `{"text":${JSON.stringify(delta.text)},"index":${delta.choice},"logprobs":${logprobs},"finish_reason":null}`,
    );
  }

  end(): Buffer {
    return this.#chunks().end(this.#usage);
  }

  error(error: GatewayError): Buffer {
    return openAiErrorEvent(error);
  }

  #chunks(): ChunkWriter {
    this.#writer ??= new ChunkWriter('text_completion', this.#context, this.#includeUsage);
    return this.#writer;
  }

  #logprobs(choice: number, logprobs: TextLogprobs | undefined): string {
    if (logprobs === undefined) return 'null';
    const lists = new LegacyLogprobs();
    this.#offsets.set(choice, lists.add(logprobs, this.#offsets.get(choice) ?? 0));
    return JSON.stringify(lists);
  }
}

class CollectedText {
  readonly pieces: string[] = [];
  logprobs: LegacyLogprobs | null = null;
  offset = 0;
  finish: FinishDelta | undefined = undefined;
}

/** Collects deltas into one `text_completion`. */
class CompletionsCollector implements DeltaRenderer {
  droppedDeltas = 0;
  #context: RenderContext;
  readonly #choices = new Map<number, CollectedText>();
  #usage: TokenUsage | undefined = undefined;

  constructor(context: RenderContext) {
    this.#context = context;
  }

  headers(): ResponseHeaders {
    return jsonHeaders();
  }

  delta(delta: Delta): undefined {
    if (delta.kind === 'usage') {
      this.#usage = { ...this.#usage, ...delta.usage };
      return;
    }
    if (delta.kind === 'start') this.#context = startedContext(this.#context, 'cmpl-', delta);
    if (delta.kind === 'start' || delta.kind === 'keep_alive') return;
    if (delta.kind !== 'finish' && !isText(delta)) {
      this.droppedDeltas++;
      return;
    }
    let choice = this.#choices.get(delta.choice);
    if (choice === undefined) {
      choice = new CollectedText();
      this.#choices.set(delta.choice, choice);
    }
    if (delta.kind === 'finish') {
      choice.finish = delta;
      return;
    }
    choice.pieces.push(delta.text);
    const logprobs = logprobsOf(delta);
    if (logprobs === undefined) return;
    choice.logprobs ??= new LegacyLogprobs();
    choice.offset = choice.logprobs.add(logprobs, choice.offset);
  }

  end(): Buffer {
    const entries = [...this.#choices.entries()].sort(([a], [b]) => a - b);
    const choices = entries.map(([index, choice]) => ({
      text: choice.pieces.join(''),
      index,
      logprobs: choice.logprobs,
      finish_reason: choice.finish?.reason ?? null,
      ...finishExtras(choice.finish),
    }));
    return collectedBody('text_completion', this.#context, choices, this.#usage);
  }

  error(): undefined {
    return undefined;
  }
}
