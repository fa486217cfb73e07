import type { SimExchange } from './exchange.js';
import type { OutputPlan } from './output-plan.js';
import type { SimJob, SimPace } from './sim-job.js';

/** Tokens rendered between two looks at the client's speed. */
const PUMP_TOKENS = 256;

/** One sequence of an answer: a choice, or a prompt of a batch. */
export class Choice {
  /** Index in the answer. */
  readonly index: number;
  readonly answer: Answer;
  readonly plan: OutputPlan;
  readonly promptIds: Uint32Array;
  readonly pace: SimPace | undefined;
  /** Set by the engine at submission. */
  job: SimJob<Choice> | undefined = undefined;
  /** Tokens that the scheduler has made. */
  available = 0;
  /** Tokens that were rendered. */
  written = 0;
  finished = false;

  constructor(index: number, answer: Answer, plan: OutputPlan, promptIds: Uint32Array, pace: SimPace | undefined) {
    this.index = index;
    this.answer = answer;
    this.plan = plan;
    this.promptIds = promptIds;
    this.pace = pace;
  }

  /** Prompt tokens found in the prefix cache. */
  get cachedTokens(): number {
    return this.job?.cachedTokens ?? 0;
  }

  /** Whole text. */
  get text(): string {
    return this.plan.textBetween(0, this.plan.tokens);
  }
}

/** Token counts of a whole answer. */
export interface AnswerUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
}

/** Writes an answer in one dialect. Streams: `begin`, then per choice `tokens` and `finish`, then `end`. */
export interface AnswerRenderer {
  /** False: only `end` is called, with everything there. */
  readonly streamed: boolean;
  begin(answer: Answer): void;
  /** Tokens `from` up to, not including, `to` of `choice` go out now. */
  tokens(choice: Choice, from: number, to: number): void;
  finish(choice: Choice): void;
  end(answer: Answer): void;
}

/** Everything that one request generates, and how far it has been written. */
export class Answer {
  readonly exchange: SimExchange;
  readonly choices: Choice[] = [];
  /** Set by the engine while it waits to be written in this tick. */
  dirty = false;
  readonly #renderer: AnswerRenderer;
  #begun = false;
  #finishedChoices = 0;
  #pumping = false;

  constructor(exchange: SimExchange, renderer: AnswerRenderer) {
    this.exchange = exchange;
    this.#renderer = renderer;
    exchange.onDrain = () => this.pump();
  }

  /** Adds a choice; before submission. Prompts shared by several choices are tokenised once by the caller. */
  addChoice(plan: OutputPlan, promptIds: Uint32Array, pace: SimPace | undefined): Choice {
    const choice = new Choice(this.choices.length, this, plan, promptIds, pace);
    this.choices.push(choice);
    return choice;
  }

  /** Counts so far: of what was made, not of what was planned. `promptCount` prompts, each counted once. */
  usage(choicesPerPrompt: number): AnswerUsage {
    let promptTokens = 0;
    let completionTokens = 0;
    let cachedTokens = 0;
    for (const choice of this.choices) {
      completionTokens += choice.written;
      if (choice.index % choicesPerPrompt !== 0) continue;
      promptTokens += choice.promptIds.length;
      cachedTokens += choice.cachedTokens;
    }
    return { promptTokens, completionTokens, cachedTokens };
  }

  /** Writes what is there, as fast as the client takes it. */
  pump(): void {
    if (this.#pumping || this.exchange.ended) return;
    this.#pumping = true;
    if (this.#renderer.streamed) this.#pumpStream();
    else for (const choice of this.choices) choice.written = choice.available;
    this.#pumping = false;
    if (this.choices.some((choice) => choice.written < choice.plan.tokens)) return;
    if (!this.exchange.ended) this.#renderer.end(this);
  }

  #pumpStream(): void {
    if (!this.#begun && this.choices.some((choice) => choice.available > 0)) {
      this.#begun = true;
      this.#renderer.begin(this);
    }
    let progress = true;
    while (progress && !this.exchange.congested && !this.exchange.ended) {
      progress = false;
      for (const choice of this.choices) {
        const to = Math.min(choice.available, choice.written + PUMP_TOKENS);
        if (choice.finished || to === choice.written) continue;
        const from = choice.written;
        choice.written = to;
        this.#renderer.tokens(choice, from, to);
        progress = true;
        if (to < choice.plan.tokens) continue;
        choice.finished = true;
        this.#finishedChoices += 1;
        this.#renderer.finish(choice);
      }
      if (this.#finishedChoices < this.choices.length) this.exchange.flush();
    }
  }
}
