/** The SDKs that ask. `chat`: `openai`, `messages`: `@anthropic-ai/sdk`. */
export const CLIENTS = ['chat', 'messages'] as const;
export type ClientName = (typeof CLIENTS)[number];

/** What stands behind the gateway. `engine`: a simulated SGLang. */
export const WORKERS = ['openai', 'xai', 'anthropic', 'gemini', 'engine'] as const;
export type WorkerName = (typeof WORKERS)[number];

/**
 * `works`: what was asked reached the worker in its own words, and its answer came back in the client's. `forwarded`: it
 * reached the worker, which makes of it what it can. `absent`: the client's API cannot ask for it. Otherwise the code of the
 * refusal; the worker is not asked then.
 */
export type Cell = 'works' | 'forwarded' | 'absent' | { readonly refused: string };

export type FeatureName =
  | 'text'
  | 'tools'
  | 'parallel_tools'
  | 'images'
  | 'image_urls'
  | 'json_schema'
  | 'reasoning'
  | 'reasoning_turns'
  | 'stop'
  | 'cached_usage'
  | 'choices'
  | 'count_tokens'
  | 'errors'
  | 'abort'
  | 'cut_stream';

/** One row of the matrix. */
export interface Case {
  readonly feature: FeatureName;
  readonly title: string;
  /** What is asserted, for readers of the page. */
  readonly proves: string;
  /** Whole, and by the SDK's streaming helper whose message must equal the whole one; or only one of them. */
  readonly ways: readonly Way[];
  readonly cells: Readonly<Record<ClientName, Readonly<Record<WorkerName, Cell>>>>;
}

export type Way = 'whole' | 'streamed';

const BOTH: readonly Way[] = ['whole', 'streamed'];

function refused(code: string): Cell {
  return { refused: code };
}

/** `works` but for the exceptions. */
function row(exceptions: Partial<Record<WorkerName, Cell>> = {}): Record<WorkerName, Cell> {
  return { openai: 'works', xai: 'works', anthropic: 'works', gemini: 'works', engine: 'works', ...exceptions };
}

function absent(): Record<WorkerName, Cell> {
  return { openai: 'absent', xai: 'absent', anthropic: 'absent', gemini: 'absent', engine: 'absent' };
}

function both(exceptions: Partial<Record<WorkerName, Cell>> = {}): Case['cells'] {
  return { chat: row(exceptions), messages: row(exceptions) };
}

/** The matrix: tests and docs/provider-matrix.md are made of it. */
export const CASES: readonly Case[] = [
  {
    feature: 'text',
    title: 'Text and a system prompt',
    proves: 'text, reason to end, model, usage',
    ways: BOTH,
    cells: both(),
  },
  {
    feature: 'tools',
    title: 'Tools',
    proves: 'a call, its result sent back, the answer to it',
    ways: BOTH,
    cells: both(),
  },
  {
    feature: 'parallel_tools',
    title: 'Parallel tools',
    proves: 'two calls at once, results sent back in the other order, the answer to them',
    ways: BOTH,
    cells: both(),
  },
  {
    feature: 'images',
    title: 'Images',
    proves: 'a picture in the request, bytes equal',
    ways: BOTH,
    cells: both({ engine: 'forwarded' }),
  },
  {
    feature: 'image_urls',
    title: 'Images by URL',
    proves: 'a picture that the provider fetches',
    ways: BOTH,
    cells: both({ gemini: refused('remote_media_not_supported'), engine: 'forwarded' }),
  },
  {
    feature: 'json_schema',
    title: 'JSON schema',
    proves: 'the schema where the provider takes it, an answer that fits',
    ways: BOTH,
    cells: both({ engine: 'forwarded' }),
  },
  {
    feature: 'reasoning',
    title: 'Reasoning',
    proves: 'effort or budget of thoughts; the thoughts, where the provider shows them',
    ways: BOTH,
    cells: both({ engine: 'forwarded' }),
  },
  {
    feature: 'reasoning_turns',
    title: 'Signed thoughts over turns',
    proves: 'a call after thoughts; in the next turn the provider gets its signature back',
    ways: BOTH,
    cells: both({ openai: 'absent', xai: 'absent', engine: 'absent' }),
  },
  {
    feature: 'stop',
    title: 'Stop sequences',
    proves: 'the sequences; which one it was, where the provider tells',
    ways: BOTH,
    cells: both(),
  },
  {
    feature: 'cached_usage',
    title: 'Usage with cached tokens',
    proves: 'tokens in and out, those read from a cache apart',
    ways: BOTH,
    cells: both(),
  },
  {
    feature: 'choices',
    title: 'Several choices',
    proves: '`n: 2`',
    ways: BOTH,
    cells: { chat: row({ anthropic: refused('unsupported_parameter') }), messages: absent() },
  },
  {
    feature: 'count_tokens',
    title: 'Counting tokens',
    proves: '`count_tokens`',
    ways: ['whole'],
    cells: {
      chat: absent(),
      messages: row({
        openai: refused('not_supported_by_provider'),
        xai: refused('not_supported_by_provider'),
        gemini: refused('not_supported_by_provider'),
      }),
    },
  },
  {
    feature: 'errors',
    title: 'Errors',
    proves: 'bad request, unknown model, rate limit, overload: the SDK raises its class for each',
    ways: BOTH,
    cells: both(),
  },
  {
    feature: 'abort',
    title: 'Leaving',
    proves: 'a stream that the client leaves is ended at the provider, and nothing stays counted',
    ways: ['streamed'],
    cells: both(),
  },
  {
    feature: 'cut_stream',
    title: 'Cut streams',
    proves: 'one that breaks, or ends without its end, raises; it never looks whole',
    ways: ['streamed'],
    cells: both(),
  },
];
