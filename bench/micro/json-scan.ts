/**
 * What reading the routing fields of a request body costs: the validating scan beside `JSON.parse` of the whole.
 * Run: `node --import tsx bench/micro/json-scan.ts`. Alternates the two, five rounds, prints medians.
 */
import { JsonScanner } from '../../core/inference/json-scan.js';

const PROSE = 'Routing decides which worker already holds the prefix of this prompt, and so saves its prefill. ';
const CODE = 'function add(a, b) {\n  // returns "a + b"\n  return [a, b].join("\\t");\n}\n';

function chat(bytes: number, text: string, messages: number): Buffer {
  const each = Math.max(1, Math.floor(bytes / messages) - 40);
  const content = text.repeat(Math.ceil(each / text.length)).slice(0, each);
  const list = Array.from({ length: messages }, (_, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }));
  return Buffer.from(JSON.stringify({ model: 'llama-3.1-8b', messages: list, max_tokens: 256, stream: true }));
}

const image = Buffer.alloc(96 * 1024, 0xa7).toString('base64');
const CASES: readonly (readonly [string, Buffer])[] = [
  ['chat 1 KiB, 4 messages', chat(1024, PROSE, 4)],
  ['chat 16 KiB, 8 messages', chat(16 * 1024, PROSE, 8)],
  ['chat 128 KiB, 1 message', chat(128 * 1024, PROSE, 1)],
  ['chat 128 KiB, 200 messages', chat(128 * 1024, PROSE, 200)],
  ['chat 128 KiB, source code', chat(128 * 1024, CODE, 8)],
  ['chat 128 KiB, not ASCII', chat(64 * 1024, 'Über Modelle zu sprechen heißt, 模型を語ること. ', 8)],
  ['image 128 KiB, base64', chat(128 * 1024, image, 1)],
  [
    'token ids 128 KiB',
    Buffer.from(JSON.stringify({ model: 'm', prompt: Array.from({ length: 22_000 }, (_, i) => (i * 7919) % 128_000) })),
  ],
];

const ROUNDS = 5;
const ROUND_MS = 60;

/** CPU time of the process, so that neighbours on the machine count less and the garbage made is counted. */
function microsPerCall(call: () => unknown): number {
  const before = process.cpuUsage();
  const started = performance.now();
  let calls = 0;
  do {
    for (let i = 0; i < 20; i++) call();
    calls += 20;
  } while (performance.now() - started < ROUND_MS);
  const spent = process.cpuUsage(before);
  return (spent.user + spent.system) / calls;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] as number;
}

const scanner = new JsonScanner();
console.log(`${'body'.padEnd(28)} bytes    scan µs   MB/s   parse µs   MB/s   ratio`);
for (const [name, body] of CASES) {
  const scan: number[] = [];
  const parse: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    scan.push(microsPerCall(() => scanner.scan(body)?.find('model')));
    parse.push(microsPerCall(() => JSON.parse(body.toString('utf8')).model));
  }
  const [a, b] = [median(scan), median(parse)];
  const columns = [a.toFixed(1).padStart(9), (body.length / a).toFixed(0).padStart(7), b.toFixed(1).padStart(10)];
  console.log(
    `${name.padEnd(28)} ${String(body.length).padEnd(6)} ${columns.join('')} ${(body.length / b).toFixed(0).padStart(6)} ${(b / a).toFixed(1).padStart(7)}`,
  );
}
