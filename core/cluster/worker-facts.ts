import { providerFacts, providerOfUrl } from '../api/provider.js';
import type { ModelCard, WorkerRuntime } from '../api/worker.js';
import type { WorkerSpec } from './worker-spec.js';

/** What was learnt by asking the worker. */
export interface WorkerFacts {
  /** Empty: it does not tell, and takes any model. */
  readonly cards: readonly ModelCard[];
  readonly runtime: WorkerRuntime | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** More data-parallel ranks than any engine has: what a worker says of itself must not decide how much memory it costs. */
const MAX_RANKS = 1_024;

/** Part of the traffic of a worker, relative to its neighbours. */
export function shareOf({ weight, cost }: WorkerSpec, warmth: number): number {
  return (weight / cost) * warmth;
}

/** The label is SMG's; engines report it of themselves. */
export function maxInFlightOf(labels: Readonly<Record<string, string>>): number {
  const limit = Number(labels.max_running_requests);
  return limit > 0 ? limit : Number.POSITIVE_INFINITY;
}

/** Data-parallel ranks of the engine; the label is SGLang's. One where it says nothing that can be believed. */
export function ranksOf(labels: Readonly<Record<string, string>>): number {
  const ranks = Number(labels.dp_size);
  return Number.isInteger(ranks) && ranks > 1 && ranks <= MAX_RANKS ? ranks : 1;
}

/** Whose cloud API a worker is. */
export function providerOf(
  { provider, url }: Pick<WorkerSpec, 'provider' | 'url'>,
  runtime: WorkerRuntime | undefined,
): string | undefined {
  if (runtime !== 'external') return undefined;
  return provider ?? providerOfUrl(url);
}

/** Backend plugin that speaks to a worker, where the spec names none. */
export function backendOf(runtime: WorkerRuntime, provider: string | undefined): string {
  if (provider !== undefined && providerFacts(provider) !== undefined) return provider;
  if (runtime === 'sglang') return 'sglang_http';
  if (runtime === 'vllm') return 'vllm_http';
  return 'openai_compatible';
}

/** Stated models go first; what was learnt about them is kept, and what the spec says of them goes before that. */
export function cardsOf(spec: WorkerSpec, facts: WorkerFacts | undefined): readonly ModelCard[] {
  const learnt = facts?.cards ?? [];
  if (spec.models.length === 0) return learnt;
  return spec.models.map((id) => {
    const stated = spec.cards?.find((card) => card.id === id);
    return { ...learnt.find((card) => card.id === id), ...stated, id };
  });
}
