import type { BodyData, Delta, DetachedSink, InnerRun, ResponseHeaders } from '../../core/api/index.js';
import type { MirrorFilterConfig, MirrorOutcome } from './config.js';

/** One copy under way: its answer is read as it comes and thrown away. Ends by itself, by its deadline, or by `abort`. */
export class Mirrored implements DetachedSink {
  readonly #shared: MirrorFilterConfig;
  #run: InnerRun | undefined = undefined;
  #outcome: MirrorOutcome = 'aborted';
  #status = 0;

  constructor(shared: MirrorFilterConfig) {
    this.#shared = shared;
    shared.onBegin(this);
  }

  /** `openDetached` has returned. */
  onOpened(run: InnerRun): void {
    this.#run = run;
  }

  abort(): void {
    this.#run?.reset();
  }

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#status = headers.status;
    if (endStream) this.#onEnd();
  }

  onData(_data: BodyData, endStream: boolean): void {
    if (endStream) this.#onEnd();
  }

  onDelta(_delta: Delta, endStream: boolean): void {
    if (endStream) this.#onEnd();
  }

  onTrailers(): void {
    this.#onEnd();
  }

  onError(): void {
    this.#outcome = 'failed';
  }

  onRunEnd(): void {
    this.#shared.onEnd(this, this.#outcome);
  }

  #onEnd(): void {
    this.#outcome = this.#status < 400 ? 'complete' : 'failed';
  }
}
