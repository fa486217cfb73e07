/** What a family of models takes. Our best knowledge of public behaviour; every field can be set in the settings. */
export interface GeminiFeatures {
  /** How much it is to think is said by a budget of tokens (2.5), a level (3 and later), or not at all. */
  readonly thinking: 'none' | 'budget' | 'level';
  /** Least budget: 0 where thinking can be switched off. Tokens. */
  readonly minThinkingBudget: number;
  readonly maxThinkingBudget: number;
  /** Levels that it knows besides `low` and `high`. */
  readonly thinkingLevels: readonly ('minimal' | 'medium')[];
  /** Takes JSON Schema as it is (`parametersJsonSchema`, `responseJsonSchema`); else Google's subset of OpenAPI. */
  readonly jsonSchema: boolean;
  /** Functions may stand beside JSON answers and Google's own tools. */
  readonly toolsCombine: boolean;
  /** Mode `VALIDATED` of function calling. */
  readonly validatedCalls: boolean;
  /** `frequencyPenalty` and `presencePenalty`. */
  readonly penalties: boolean;
  /** `mediaResolution` of a part. */
  readonly mediaResolution: boolean;
  /** Fetches media from any `https` address itself. */
  readonly imageUrl: boolean;
  /** Results of functions may hold images. */
  readonly multimodalResults: boolean;
  /** Calls in history are refused without their thought signature. */
  readonly signaturesRequired: boolean;
}

const FAMILY_2_5: GeminiFeatures = {
  thinking: 'budget',
  minThinkingBudget: 0,
  maxThinkingBudget: 24_576,
  thinkingLevels: [],
  jsonSchema: true,
  toolsCombine: false,
  validatedCalls: true,
  penalties: true,
  mediaResolution: false,
  imageUrl: false,
  multimodalResults: false,
  signaturesRequired: false,
};

const FAMILY_2_0: GeminiFeatures = { ...FAMILY_2_5, thinking: 'none', jsonSchema: false, validatedCalls: false };

const FAMILY_3_PRO: GeminiFeatures = {
  ...FAMILY_2_5,
  thinking: 'level',
  toolsCombine: true,
  mediaResolution: true,
  multimodalResults: true,
  signaturesRequired: true,
};

const FAMILY_3_FLASH: GeminiFeatures = { ...FAMILY_3_PRO, thinkingLevels: ['minimal', 'medium'] };

/** First match counts. Names that nothing matches are of the newest family. */
const FAMILIES: readonly (readonly [RegExp, GeminiFeatures])[] = [
  [/^gemini-(?:1|2\.0)|^learnlm|^gemma-[123]/, FAMILY_2_0],
  [/^gemini-2\.5-pro/, { ...FAMILY_2_5, minThinkingBudget: 128, maxThinkingBudget: 32_768 }],
  [/^gemini-2\.5-flash-lite/, { ...FAMILY_2_5, penalties: false }],
  [/^gemini-2\.5/, FAMILY_2_5],
  [/^gemini-3-pro/, FAMILY_3_PRO],
  [/flash/, FAMILY_3_FLASH],
  [/^gemini-3\.\d+-pro/, { ...FAMILY_3_PRO, thinkingLevels: ['medium'] }],
];

/** Features that the operator states for models of a name; `*` in it stands for any characters. */
export interface FeatureOverride {
  readonly pattern: string;
  readonly features: Partial<GeminiFeatures>;
}

/** Features by model name, each worked out once; the number of names that are kept is bounded. */
export class ModelFeatures {
  static readonly #maxNames = 1000;
  readonly #overrides: readonly (readonly [RegExp, Partial<GeminiFeatures>])[];
  readonly #known = new Map<string, GeminiFeatures>();

  constructor(overrides: readonly FeatureOverride[] = []) {
    this.#overrides = overrides.map(({ pattern, features }) => [globPattern(pattern), features]);
  }

  /** `model`: without `models/`. */
  of(model: string): GeminiFeatures {
    let features = this.#known.get(model);
    if (features === undefined) {
      features = FAMILIES.find(([pattern]) => pattern.test(model))?.[1] ?? FAMILY_3_PRO;
      for (const [pattern, own] of this.#overrides) if (pattern.test(model)) features = { ...features, ...own };
      if (this.#known.size >= ModelFeatures.#maxNames) this.#known.clear();
      this.#known.set(model, features);
    }
    return features;
  }
}

function globPattern(glob: string): RegExp {
  const escaped = glob.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`);
}
