/**
 * What one streamed event costs: splitting it off, reading its data, changing it, and only watching for the terminator.
 * Run: `node --import tsx bench/micro/sse-codec.ts`. Five rounds, alternating, medians; CPU time of the process.
 */
import { type SseEventFrame, SseSplitter } from '../../core/inference/sse-codec.js';
import { TerminatorWatch } from '../../core/inference/stream-terminator.js';

const EVENT = Buffer.from(
  'data: {"id":"chatcmpl-9f2","object":"chat.completion.chunk","created":1700000000,"model":"llama-3.1-8b",' +
    '"choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}\n\n',
);
const CRLF_EVENT = Buffer.from(EVENT.toString().replaceAll('\n', '\r\n'));
const NAMED_EVENT = Buffer.from(
  `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" token"}}\n\n`,
);
const HALF = EVENT.length >> 1;
const EVENTS = 64;

function times(event: Buffer): Buffer[] {
  return Array.from({ length: EVENTS }, () => Buffer.from(event));
}

const whole = times(EVENT);
const crlf = times(CRLF_EVENT);
const named = times(NAMED_EVENT);
const halves = whole.flatMap((event) => [event.subarray(0, HALF), event.subarray(HALF)]);
const burst = [Buffer.concat(whole)];

let sink = 0;
const count = (event: SseEventFrame): void => {
  sink += event.raw.length;
};
const read = (event: SseEventFrame): void => {
  sink += event.data?.length ?? 0;
};
const change = (event: SseEventFrame): void => {
  event.setData('{"choices":[]}');
  sink += event.bytes.length;
};

function split(chunks: readonly Buffer[], onEvent: (event: SseEventFrame) => void): () => void {
  return () => {
    const splitter = new SseSplitter();
    for (const chunk of chunks) splitter.push(chunk, onEvent);
  };
}

function watch(kind: 'done' | 'message_stop', chunks: readonly Buffer[]): () => void {
  return () => {
    const terminator = new TerminatorWatch(kind, 1024);
    for (const chunk of chunks) terminator.push(chunk);
    if (terminator.seen) sink++;
  };
}

const CASES: readonly (readonly [string, () => void])[] = [
  ['split, an event a chunk', split(whole, count)],
  ['split, CRLF', split(crlf, count)],
  ['split, every event in two chunks', split(halves, count)],
  ['split, 64 events in one chunk', split(burst, count)],
  ['split and read data', split(whole, read)],
  ['split and change data', split(whole, change)],
  ['watch for [DONE]', watch('done', whole)],
  ['watch for message_stop', watch('message_stop', named)],
];

const ROUNDS = 5;
const ROUND_MS = 50;

function nanosPerEvent(stream: () => void): number {
  const before = process.cpuUsage();
  const started = performance.now();
  let streams = 0;
  do {
    for (let i = 0; i < 10; i++) stream();
    streams += 10;
  } while (performance.now() - started < ROUND_MS);
  const spent = process.cpuUsage(before);
  return ((spent.user + spent.system) * 1000) / (streams * EVENTS);
}

const results = CASES.map(() => [] as number[]);
for (let round = 0; round <= ROUNDS; round++) {
  CASES.forEach(([, stream], index) => {
    const nanos = nanosPerEvent(stream);
    if (round > 0) results[index]?.push(nanos);
  });
}
CASES.forEach(([name], index) => {
  const sorted = results[index]?.sort((a, b) => a - b) ?? [];
  console.log(`${name.padEnd(34)} ${(sorted[sorted.length >> 1] ?? 0).toFixed(0).padStart(6)} ns/event`);
});
if (sink === 0) throw new Error('nothing was measured');
