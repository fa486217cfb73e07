import type { TextLogprobs } from '../../../core/api/index.js';
import type { LogprobsCandidate, LogprobsResult } from './wire.js';

type TokenLogprob = TextLogprobs['content'][number];

/** Undefined without tokens. */
export function decodeLogprobs(result: LogprobsResult | undefined): TextLogprobs | undefined {
  const chosen = result?.chosenCandidates;
  if (!Array.isArray(chosen) || chosen.length === 0) return undefined;
  const content = (chosen as readonly LogprobsCandidate[]).map((candidate, position): TokenLogprob => {
    const rivals = result?.topCandidates?.[position]?.candidates;
    return { ...tokenLogprob(candidate), top: Array.isArray(rivals) ? rivals.map(tokenLogprob) : [] };
  });
  return { content };
}

/** A log probability of 0 is left out of JSON by Google. */
function tokenLogprob({ token = '', logProbability = 0 }: LogprobsCandidate): Omit<TokenLogprob, 'top'> {
  return { token, logprob: logProbability, bytes: [...Buffer.from(token, 'utf8')] };
}
