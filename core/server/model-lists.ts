import type { ErrorDialect } from '../api/client-api.js';
import type { ModelCard } from '../api/worker.js';
import { describeModelCard } from './model-card-json.js';

/** A model that clients may ask for. */
export interface ListedModel {
  readonly card: ModelCard;
  readonly owner: string;
}

/** How a dialect writes models. */
interface ModelForms {
  one(model: ListedModel): object;
  list(models: readonly ListedModel[]): object;
}

/** When a model came out is known to nobody here; Anthropic's API says the epoch then, too. */
const UNKNOWN_DATE = '1970-01-01T00:00:00Z';

function openAiModel({ card, owner }: ListedModel): object {
  // Aliases are answered to but not listed.
  const { aliases: _, ...known } = describeModelCard(card);
  return { ...known, id: card.id, object: 'model', created: 0, owned_by: owner };
}

function anthropicModel({ card }: ListedModel): object {
  const { id, displayName = id, contextLength } = card;
  const window = contextLength === undefined ? {} : { max_input_tokens: contextLength };
  return { type: 'model', id, display_name: displayName, created_at: UNKNOWN_DATE, ...window };
}

/** By dialect of the client. Lists are whole: there is one page. */
export const MODEL_FORMS: Readonly<Record<ErrorDialect, ModelForms>> = {
  openai: { one: openAiModel, list: (models) => ({ object: 'list', data: models.map(openAiModel) }) },
  anthropic: {
    one: anthropicModel,
    list: (models) => ({
      data: models.map(anthropicModel),
      has_more: false,
      first_id: models[0]?.card.id ?? null,
      last_id: models.at(-1)?.card.id ?? null,
    }),
  },
};
