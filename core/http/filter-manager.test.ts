import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../api/errors.js';
import {
  FilterDataStatus,
  FilterHeadersStatus,
  type SseEvent,
  type StreamFilter,
  type StreamFilterCallbacks,
} from '../api/filter.js';
import { ResponseHeaders } from '../api/headers.js';
import { chatRequestHeaders, createFilterHarness, type HarnessFilter } from '../testing/filter-harness.js';
import { SingleNest } from '../testing/single-nest.js';

/** Stops as its script says; what it stopped goes on when the test runs its queued continue. */
class DelayingFilter implements StreamFilter {
  readonly #callbacks: StreamFilterCallbacks;
  readonly #script: Iterator<number>;
  readonly #later: (() => void)[];
  #decodeStopped = false;
  #encodeStopped = false;

  constructor(callbacks: StreamFilterCallbacks, script: Iterator<number>, later: (() => void)[]) {
    this.#callbacks = callbacks;
    this.#script = script;
    this.#later = later;
  }

  #next(limit: number): number {
    const value = this.#script.next().value as number | undefined;
    return (value ?? 0) % limit;
  }

  #stopDecode(): void {
    if (this.#decodeStopped) return;
    this.#decodeStopped = true;
    this.#later.push(() => {
      this.#decodeStopped = false;
      this.#callbacks.continueDecoding();
    });
  }

  #stopEncode(): void {
    if (this.#encodeStopped) return;
    this.#encodeStopped = true;
    this.#later.push(() => {
      this.#encodeStopped = false;
      this.#callbacks.continueEncoding();
    });
  }

  decodeHeaders(): FilterHeadersStatus {
    const status = this.#next(3) as FilterHeadersStatus;
    if (status !== FilterHeadersStatus.Continue) this.#stopDecode();
    return status;
  }

  decodeData(): FilterDataStatus {
    if (this.#decodeStopped) return FilterDataStatus.StopIterationAndWatermark;
    const status = this.#next(3) as FilterDataStatus;
    if (status !== FilterDataStatus.Continue) this.#stopDecode();
    return status;
  }

  encodeHeaders(): FilterHeadersStatus {
    const status = this.#next(3) as FilterHeadersStatus;
    if (status !== FilterHeadersStatus.Continue) this.#stopEncode();
    return status;
  }

  encodeData(): FilterDataStatus {
    if (this.#encodeStopped) return FilterDataStatus.StopIterationAndWatermark;
    const status = this.#next(3) as FilterDataStatus;
    if (status !== FilterDataStatus.Continue) this.#stopEncode();
    return status;
  }
}

function delaying(scripts: readonly number[][], later: (() => void)[]): HarnessFilter[] {
  return scripts.map((script, index) => ({
    name: `delay_${index}`,
    factory: (callbacks) => new DelayingFilter(callbacks, script[Symbol.iterator](), later),
  }));
}

const scripts = fc.array(fc.array(fc.nat(5), { maxLength: 12 }), { minLength: 1, maxLength: 5 });
const chunks = fc.array(fc.string({ minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 });

describe('filter manager', () => {
  it('keeps bytes, order and one end under any schedule of stops and continues, both ways', () => {
    fc.assert(
      fc.property(scripts, chunks, chunks, fc.array(fc.nat(9), { maxLength: 60 }), (filters, down, up, order) => {
        const later: (() => void)[] = [];
        const harness = createFilterHarness(delaying(filters, later));
        const steps: (() => void)[] = [
          () => harness.sendHeaders(chatRequestHeaders(), false),
          ...down.map((text, i) => () => harness.sendData(text, i === down.length - 1)),
        ];
        run(steps, later, order);
        assert.deepEqual(harness.exceptions, []);
        assert.equal(harness.terminal.body, down.join(''));
        assert.equal(harness.terminal.ended, true);
        const { callbacks } = harness.terminal;
        run(
          [
            () => callbacks.encodeHeaders(new ResponseHeaders(200), false),
            ...up.map((text, i) => () => callbacks.encodeData(Buffer.from(text), i === up.length - 1)),
          ],
          later,
          order,
        );
        assert.deepEqual(harness.exceptions, []);
        assert.equal(harness.response.body, up.join(''));
        assert.equal(harness.response.ends, 1);
        assert.equal(harness.response.runEnded, true);
        assert.equal(harness.terminal.destroyed, true);
        assert.equal(harness.response.readDisabled, 0);
      }),
      { numRuns: 3000 },
    );
  });

  it('destroys every filter once and calls nothing afterwards, wherever the client leaves', () => {
    fc.assert(
      fc.property(scripts, chunks, fc.nat(12), (filters, down, cut) => {
        const later: (() => void)[] = [];
        const harness = createFilterHarness(delaying(filters, later));
        const steps = [
          () => harness.sendHeaders(chatRequestHeaders(), false),
          ...down.map((text) => () => harness.sendData(text, false)),
        ];
        steps.splice(Math.min(cut, steps.length), 0, () => harness.reset());
        for (const step of steps) step();
        for (const late of later) late();
        assert.equal(harness.response.runEnded, true);
        assert.deepEqual(harness.exceptions, []);
        assert.equal(harness.response.headers, undefined);
      }),
    );
  });

  it('carries an inner run through a nesting filter between delaying ones', () => {
    fc.assert(
      fc.property(scripts, scripts, chunks, fc.array(fc.nat(9), { maxLength: 60 }), (above, below, up, order) => {
        const later: (() => void)[] = [];
        const harness = createFilterHarness([
          ...delaying(above, later),
          { name: 'nest', nesting: true, factory: (callbacks) => new SingleNest(callbacks, false) },
          ...delaying(below, later).map((filter, i) => ({ ...filter, name: `below_${i}` })),
        ]);
        run([() => harness.sendHeaders(chatRequestHeaders(), true)], later, order);
        const { callbacks } = harness.terminal;
        run(
          [
            () => callbacks.encodeHeaders(new ResponseHeaders(200), false),
            ...up.map((text, i) => () => callbacks.encodeData(Buffer.from(text), i === up.length - 1)),
          ],
          later,
          order,
        );
        assert.deepEqual(harness.exceptions, []);
        assert.equal(harness.response.body, up.join(''));
        assert.equal(harness.response.ends, 1);
        assert.equal(harness.terminal.destroyed, true);
      }),
      { numRuns: 1000 },
    );
  });

  it('answers a local reply once, through the filters above and below it', () => {
    const seen: string[] = [];
    const observer = (name: string): HarnessFilter => ({
      name,
      factory: () => ({
        encodeHeaders: (headers) => {
          seen.push(`${name} ${headers.status}`);
          return FilterHeadersStatus.Continue;
        },
      }),
    });
    const harness = createFilterHarness([
      observer('first'),
      {
        name: 'refuse',
        factory: (callbacks) => ({
          decodeHeaders: () => {
            callbacks.sendLocalReply(new GatewayError('rate_limited', 'Slow down', { retryAfterMs: 1200 }));
            callbacks.sendLocalReply(new GatewayError('internal', 'not this one'));
            return FilterHeadersStatus.StopIteration;
          },
        }),
      },
      observer('last'),
    ]);
    harness.sendHeaders(chatRequestHeaders(), true);
    assert.deepEqual(seen, ['last 429', 'first 429']);
    assert.equal(harness.response.json.error.code, 'rate_limited');
    assert.equal(harness.response.headers?.get('retry-after'), '2');
    assert.equal(harness.response.ends, 1);
    assert.equal(harness.response.runEnded, true);
    assert.equal(harness.terminals.length, 1);
    assert.equal(harness.terminal.headers, undefined);
  });

  it('turns a throw into a 500 and ends the run', () => {
    const harness = createFilterHarness([
      {
        name: 'broken',
        factory: () => ({
          decodeHeaders: () => {
            throw new Error('boom');
          },
        }),
      },
    ]);
    harness.sendHeaders(chatRequestHeaders(), true);
    assert.equal(harness.response.json.error.code, 'internal');
    assert.equal(harness.exceptions.length, 1);
    assert.equal(harness.response.runEnded, true);
  });

  it('answers 500 when a filter continues without having stopped', () => {
    const harness = createFilterHarness([
      {
        name: 'confused',
        factory: (callbacks) => ({
          decodeHeaders: () => {
            callbacks.continueDecoding();
            return FilterHeadersStatus.Continue;
          },
        }),
      },
    ]);
    harness.sendHeaders(chatRequestHeaders(), true);
    assert.equal(harness.response.json.error.code, 'internal');
    assert.match(String(harness.exceptions[0]), /nothing is stopped/);
  });

  it('answers 413 when a filter wants more of the body than it may hold', () => {
    const harness = createFilterHarness(
      [{ name: 'hoarder', factory: () => ({ decodeData: () => FilterDataStatus.StopIterationAndBuffer }) }],
      { bufferLimitBytes: 10 },
    );
    harness.sendHeaders(chatRequestHeaders(), false);
    harness.sendData('12345678', false);
    assert.equal(harness.response.headers, undefined);
    harness.sendData('12345678', false);
    assert.equal(harness.response.json.error.code, 'request_body_too_large');
  });

  it('copies what is held: the listener uses its memory again', () => {
    const seen: string[] = [];
    let hold: StreamFilterCallbacks | undefined;
    const chain = createFilterHarness([
      {
        name: 'holder',
        factory: (callbacks) => {
          hold = callbacks;
          return { decodeHeaders: () => FilterHeadersStatus.StopAllIterationAndWatermark };
        },
      },
      {
        name: 'reader',
        factory: () => ({
          decodeData: (data) => {
            seen.push(data.bytes.toString());
            return FilterDataStatus.Continue;
          },
        }),
      },
    ]);
    chain.sendHeaders(chatRequestHeaders(), false);
    const memory = Buffer.from('one');
    chain.manager.decodeData(0, memory, false);
    memory.write('two');
    chain.manager.decodeData(0, memory, true);
    memory.write('xxx');
    hold?.continueDecoding();
    assert.deepEqual(seen, ['one', 'two']);
  });

  it('pauses the client while a filter holds more than the watermark, and resumes', () => {
    let callbacks: StreamFilterCallbacks | undefined;
    const harness = createFilterHarness(
      [
        {
          name: 'slow',
          factory: (handle) => {
            callbacks = handle;
            return { decodeHeaders: () => FilterHeadersStatus.StopAllIterationAndWatermark };
          },
        },
      ],
      { bufferLimitBytes: 10 },
    );
    harness.sendHeaders(chatRequestHeaders(), false);
    harness.sendData('12345678901', false);
    assert.equal(harness.response.readDisabled, 1);
    callbacks?.continueDecoding();
    assert.equal(harness.response.readDisabled, 0);
    assert.equal(harness.terminal.body, '12345678901');
  });

  it('cuts event streams once for the filters that want events, and passes the bytes of those that do not', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40), { maxLength: 8 }), (cuts) => {
        const events: (string | undefined)[] = [];
        const harness = createFilterHarness([
          {
            name: 'listener',
            factory: () => ({
              encodeEvent: (event: SseEvent) => {
                events.push(event.data);
                if (event.data === 'drop') return FilterDataStatus.StopIterationNoBuffer;
                if (event.data === 'two') event.setData('TWO');
                return FilterDataStatus.Continue;
              },
            }),
          },
        ]);
        harness.sendHeaders(chatRequestHeaders(), true);
        const { callbacks } = harness.terminal;
        callbacks.encodeHeaders(new ResponseHeaders(200, ['content-type', 'text/event-stream']), false);
        const text = Buffer.from('data: one\n\ndata: drop\n\ndata: two\r\n\r\ndata: [DONE]\n\n');
        let from = 0;
        for (const cut of [...cuts].sort((a, b) => a - b)) {
          callbacks.encodeData(text.subarray(from, cut), false);
          from = Math.max(from, cut);
        }
        callbacks.encodeData(text.subarray(from), true);
        assert.deepEqual(events, ['one', 'drop', 'two', '[DONE]']);
        assert.equal(harness.response.body, 'data: one\n\ndata: TWO\n\ndata: [DONE]\n\n');
        assert.equal(harness.response.ends, 1);
      }),
    );
  });

  it('ends inner runs before the outer one is told to complete', () => {
    const order: string[] = [];
    const harness = createFilterHarness([
      { name: 'log', factory: () => ({ onStreamComplete: () => void order.push('outer') }) },
      { name: 'nest', nesting: true, factory: (callbacks) => new SingleNest(callbacks, false) },
      { name: 'attempt', factory: () => ({ onStreamComplete: () => void order.push('inner') }) },
    ]);
    harness.sendHeaders(chatRequestHeaders(), true);
    harness.terminal.callbacks.encodeHeaders(new ResponseHeaders(204), true);
    assert.deepEqual(order, ['inner', 'outer']);
  });
});

/** Runs the steps in order, with queued continues between them as `order` says, then all continues that are left. */
function run(steps: (() => void)[], later: (() => void)[], order: readonly number[]): void {
  let turn = 0;
  for (const step of steps) {
    step();
    while (later.length > 0 && (order[turn++ % Math.max(1, order.length)] ?? 0) > 4) later.shift()?.();
  }
  while (later.length > 0) later.shift()?.();
}
