import type { ModelFeatureOverride } from './settings.js';

/** What a model of Anthropic's can do, as far as requests differ by it. */
export interface ModelFeatures {
  readonly sampling: 'both' | 'one' | 'none';
  readonly thinking: 'none' | 'budget' | 'adaptive' | 'both';
  readonly effort: boolean;
  readonly structured_output: boolean;
  readonly prefill: boolean;
  /** Tokens; undefined: not known. */
  readonly max_output_tokens: number | undefined;
  readonly image_url: boolean;
  readonly pdf: boolean;
}

/** Of the newest family, which names that nobody knows yet are taken for. */
const NEWEST: ModelFeatures = {
  sampling: 'none',
  thinking: 'adaptive',
  effort: true,
  structured_output: true,
  prefill: false,
  max_output_tokens: undefined,
  image_url: true,
  pdf: true,
};

const CLAUDE_4_6: ModelFeatures = { ...NEWEST, sampling: 'one', thinking: 'both' };
const CLAUDE_4_5: ModelFeatures = { ...CLAUDE_4_6, thinking: 'budget', effort: false, prefill: true };
const OPUS_4_5: ModelFeatures = { ...CLAUDE_4_5, effort: true };
const OPUS_4_1: ModelFeatures = { ...CLAUDE_4_5, structured_output: false };
const CLAUDE_4: ModelFeatures = { ...OPUS_4_1, sampling: 'both' };
const CLAUDE_3_5: ModelFeatures = { ...CLAUDE_4, thinking: 'none' };
const CLAUDE_3: ModelFeatures = { ...CLAUDE_3_5, pdf: false };

/**
 * By name, first match wins; what matches nothing is {@link NEWEST}. Best knowledge of public behaviour, written from the
 * vendor's model pages; `models` of the settings corrects it.
 */
const TABLE: readonly (readonly [RegExp, ModelFeatures])[] = [
  [/claude-(?:instant|[12](?!\d))/, CLAUDE_3],
  [/claude-3-(?:opus|sonnet|haiku)/, CLAUDE_3],
  [/claude-3[-.]5/, CLAUDE_3_5],
  [/claude-3[-.]7/, CLAUDE_4],
  [/claude-(?:opus|sonnet|haiku)-4[-.]6(?!\d)/, CLAUDE_4_6],
  [/claude-opus-4[-.]5(?!\d)/, OPUS_4_5],
  [/claude-(?:sonnet|haiku)-4[-.]5(?!\d)/, CLAUDE_4_5],
  [/claude-opus-4[-.]1(?!\d)/, OPUS_4_1],
  // Without minor version, or with a date or alias (`-latest`) in its place.
  [/claude-(?:opus|sonnet|haiku)-4(?:[-.]0)?(?:[-@:]\D|[-@:]\d{8}|[-@:]?$)/, CLAUDE_4],
];

/** Names come from clients: no more of them are remembered. */
const MAX_REMEMBERED = 1024;

/** Looks models up by name, and remembers. */
export class ModelFeatureTable {
  readonly #overrides: readonly { readonly pattern: RegExp; readonly fields: Partial<ModelFeatures> }[];
  readonly #byName = new Map<string, ModelFeatures>();

  constructor(overrides: readonly ModelFeatureOverride[]) {
    this.#overrides = overrides.map(({ match, ...fields }) => ({
      pattern: globPattern(match),
      fields: defined(fields),
    }));
  }

  of(model: string): ModelFeatures {
    let features = this.#byName.get(model);
    if (features === undefined) {
      features = this.#find(model);
      if (this.#byName.size >= MAX_REMEMBERED) this.#byName.clear();
      this.#byName.set(model, features);
    }
    return features;
  }

  #find(model: string): ModelFeatures {
    const builtIn = TABLE.find(([pattern]) => pattern.test(model.toLowerCase()))?.[1] ?? NEWEST;
    const matching = this.#overrides.filter(({ pattern }) => pattern.test(model)).map(({ fields }) => fields);
    return Object.assign({}, builtIn, ...matching);
  }
}

function globPattern(glob: string): RegExp {
  const text = glob.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${text}$`, 'i');
}

function defined(fields: Partial<Record<keyof ModelFeatures, unknown>>): Partial<ModelFeatures> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Partial<ModelFeatures>;
}
