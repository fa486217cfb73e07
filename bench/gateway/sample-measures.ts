import type { BenchRecord, Sample } from './bench-record.js';

/** A figure of one sample; NaN where it means nothing. */
export type Measure = (sample: Sample) => number;

/** Answers per second. */
export const requestsPerSecond: Measure = ({ load }) => (load.requests / load.windowMs) * 1000;
/** Streamed events per second, `[DONE]` included. */
export const eventsPerSecond: Measure = ({ load }) => (load.events / load.windowMs) * 1000;
/** Median time from request to complete answer, µs. */
export const latencyP50Us: Measure = ({ load }) => load.p50Us;
/** Gateway CPU time per request, µs; NaN without a gateway. */
export const cpuUsPerRequest: Measure = ({ cpuMs, load }) =>
  cpuMs > 0 ? (cpuMs * 1000) / load.requestsTotal : Number.NaN;
/** Gateway CPU time per streamed event, µs; NaN without gateway or events. */
export const cpuUsPerEvent: Measure = ({ cpuMs, load }) =>
  cpuMs > 0 && load.eventsTotal > 0 ? (cpuMs * 1000) / load.eventsTotal : Number.NaN;

/** The samples of a target and case that count: valid ones, and among them the undisturbed ones if there are any. */
export function countingSamples(record: BenchRecord, target: string, caseName: string): Sample[] {
  const valid = record.samples.filter(
    (sample) => sample.target === target && sample.caseName === caseName && sample.failure === undefined,
  );
  const quiet = valid.filter((sample) => !sample.isNoisy);
  return quiet.length > 0 ? quiet : valid;
}

/** Figures of a target divided by those of another in the same round. */
export function ratiosWithinRounds(
  record: BenchRecord,
  target: string,
  base: string,
  caseName: string,
  measure: Measure,
): number[] {
  const baseSamples = countingSamples(record, base, caseName);
  return countingSamples(record, target, caseName).map((sample) => {
    const partner = baseSamples.find((candidate) => candidate.round === sample.round);
    return partner === undefined ? Number.NaN : measure(sample) / measure(partner);
  });
}
