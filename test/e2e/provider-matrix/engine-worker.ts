import { startTestSim } from '../../../core/testing/sim-fixture.js';
import { seenInChat, seenInMessages } from './seen.js';
import type { ErrorKind, MatrixWorker } from './worker.js';

const STATUS: Readonly<Record<ErrorKind, number>> = {
  bad_request: 400,
  not_found: 404,
  rate_limit: 429,
  overloaded: 503,
};
const FAULTS = { cut: 'cut=3', end: 'cut_clean=3', hold: 'stall=3' } as const;

/** A simulated SGLang. It makes up its answers, calls tools by words in the prompt, and fails as it is told. */
export async function startEngineWorker(): Promise<MatrixWorker> {
  const sim = await startTestSim({ runtime: 'sglang', models: ['llama'], ttft: 0, itl: 0, output_tokens: '24' });
  return {
    name: 'engine',
    model: 'llama',
    models: {},
    servedModel: (asked) => asked,
    scripted: false,
    statuses: { overloaded: STATUS.overloaded },
    tells: { reasoning: false, matchedStop: false },
    cluster: `{ name: engine, health: off, workers: [{ url: "${sim.url}", models: [llama], runtime: sglang }] }`,
    files: {},
    reply: async ({ error, ending }) => {
      const fault = error === undefined ? ending && FAULTS[ending] : `status=${STATUS[error]}`;
      await sim.setFault(fault);
    },
    seen: () => {
      const { path, body } = sim.requests().at(-1) ?? {};
      const read = path === '/v1/messages' ? seenInMessages : seenInChat;
      return read(JSON.parse(body?.toString('utf8') ?? '{}') as Record<string, unknown>);
    },
    asked: () => sim.stats().received,
    aborted: () => sim.stats().aborted,
    inFlight: () => sim.stats().inFlight,
    close: () => sim.close(),
  };
}
