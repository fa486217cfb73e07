import type { AnswerKind } from './answers.js';

/** One line of the measurement: what the load client does for one sample. */
export interface BenchCase {
  /** Column heading and name on the command line. */
  readonly name: string;
  readonly protocol: 'h1' | 'h2';
  readonly concurrency: number;
  readonly bodyBytes: number;
  readonly answer: AnswerKind;
}

const KIB = 1024;

function defineCase(name: string, concurrency: number, bodyBytes: number, answer: AnswerKind): BenchCase {
  return { name, protocol: 'h1', concurrency, bodyBytes, answer };
}

export const BENCH_CASES: readonly BenchCase[] = [
  defineCase('c1', 1, KIB, 'chat'),
  defineCase('c16', 16, KIB, 'chat'),
  defineCase('c64', 64, KIB, 'chat'),
  defineCase('b16k', 16, 16 * KIB, 'chat'),
  defineCase('b128k', 16, 128 * KIB, 'chat'),
  defineCase('sse16', 16, KIB, 'burst'),
  defineCase('sse64', 64, KIB, 'burst'),
  defineCase('paced64', 64, KIB, 'paced'),
  { name: 'h2c16', protocol: 'h2', concurrency: 16, bodyBytes: KIB, answer: 'chat' },
];
