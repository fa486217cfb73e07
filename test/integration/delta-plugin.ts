import * as z from 'zod';
import {
  type BackendCall,
  type BackendSink,
  type Delta,
  defineBackend,
  defineFilter,
  FilterDataStatus,
  ResponseHeaders,
  type StreamFilter,
  type StreamFilterCallbacks,
  type UpstreamExchange,
} from '../../core/index.js';

/** What the scripted backend has seen; read by the test in the same process. */
export const seen = { calls: 0, aborts: 0, paused: 0 };

/** Plays the deltas of `x_script` in the request body, one per turn of the loop, without any worker. */
class ScriptedCall implements UpstreamExchange {
  readonly #script: (Delta | 'cut' | 'hang')[];
  readonly #sink: BackendSink;
  #aborted = false;
  #pauses = 0;

  constructor(call: BackendCall, sink: BackendSink) {
    this.#script = (call.request?.json().x_script ?? []) as (Delta | 'cut' | 'hang')[];
    this.#sink = sink;
    setImmediate(() => {
      if (this.#aborted) return;
      sink.onHeaders(new ResponseHeaders(200, [], 'deltas'), false);
      this.#step();
    });
  }

  #step(): void {
    if (this.#aborted || this.#pauses > 0) return;
    const next = this.#script.shift();
    if (next === 'hang' || next === undefined) return;
    if (next === 'cut') {
      // A real backend reports this through onError; the end without a finish is the harder case.
      this.#sink.onDelta({ kind: 'usage', usage: {} }, true);
      return;
    }
    this.#sink.onDelta(next, this.#script.length === 0);
    setImmediate(() => this.#step());
  }

  pause(): void {
    this.#pauses++;
    seen.paused++;
  }

  resume(): void {
    this.#pauses--;
    this.#step();
  }

  abort(): void {
    if (!this.#aborted && this.#script.length > 0) seen.aborts++;
    this.#aborted = true;
  }
}

const scripted = defineBackend({
  type: 'scripted',
  apiVersion: '1',
  configSchema: z.strictObject({}),
  inject: [],
  create: () => ({
    type: 'scripted',
    nativeApis: [],
    send: (call, sink) => {
      seen.calls++;
      return new ScriptedCall(call, sink);
    },
  }),
});

/** A parser in small: raw text becomes content in capitals; text between `<` and `>` becomes reasoning. */
class ShoutFilter implements StreamFilter {
  readonly #callbacks: StreamFilterCallbacks;

  constructor(callbacks: StreamFilterCallbacks) {
    this.#callbacks = callbacks;
  }

  encodeDelta(delta: Delta, endStream: boolean): FilterDataStatus {
    if (delta.kind !== 'text') return FilterDataStatus.Continue;
    for (const part of delta.text.split(/(<[^>]*>)/).filter((piece) => piece !== '')) {
      const hidden = part.startsWith('<');
      this.#callbacks.injectEncodedDelta(
        hidden
          ? { kind: 'reasoning', choice: delta.choice, text: part.slice(1, -1) }
          : { kind: 'content', choice: delta.choice, text: part.toUpperCase() },
        false,
      );
    }
    return endStream ? FilterDataStatus.Continue : FilterDataStatus.StopIterationNoBuffer;
  }
}

const shout = defineFilter({
  type: 'shout',
  apiVersion: '1',
  configSchema: z.strictObject({}),
  inject: [],
  requires: ['inference_request'],
  create: () => (callbacks) => new ShoutFilter(callbacks),
});

export default [scripted, shout];
