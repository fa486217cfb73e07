import { providerOfModel } from '../../api/provider.js';
import type { ModelCard } from '../../api/worker.js';
import type { LabelMap } from './labels.js';
import type { ListedModel } from './model-list.js';

const TEXT_MODEL: readonly string[] = ['chat', 'completions', 'responses', 'tools'];
/** Labels that tell the context length, the first one that is there. */
const CONTEXT_LABELS = ['context_length', 'max_context_length', 'max_model_len', 'max_total_tokens', 'max_seq_len'];
/** Where the name of the model that an engine was started with stands, best first. */
const NAME_LABELS = ['served_model_name', 'model_id', 'model_path'];

/** Cards of an engine: the model that it was started with, then every other one that it lists (adapters). */
export function engineCards(labels: LabelMap, listed: readonly ListedModel[]): readonly ModelCard[] {
  const main = NAME_LABELS.map((label) => labels.get(label)).find((name) => name !== undefined);
  if (main === undefined) return [];
  const ids = new Set([main, ...listed.map((model) => model.id)]);
  const byId = new Map(listed.map((model) => [model.id, model]));
  const shared = sharedFacts(labels);
  return Array.from(ids, (id) => {
    const model = byId.get(id);
    return compact({
      ...shared,
      ...listedFacts(model),
      id,
      contextLength: model?.contextLength ?? shared.contextLength,
    });
  });
}

/** What the labels say of every model of the engine: adapters share it with their base. */
function sharedFacts(labels: LabelMap): Partial<Loose<ModelCard>> {
  const length = Number(CONTEXT_LABELS.map((label) => labels.get(label)).find((text) => text !== undefined));
  return {
    contextLength: Number.isSafeInteger(length) && length > 0 ? length : undefined,
    capabilities: capabilitiesOf(labels),
    architectures: stringArray(labels.get('architectures')),
    hfModelType: labels.get('model_type'),
    tokenizerPath: labels.get('tokenizer_path'),
  };
}

function capabilitiesOf(labels: LabelMap): readonly string[] {
  const generates = labels.get('is_embedding') !== 'true' && labels.get('is_generation') !== 'false';
  const kind = `${labels.get('architectures') ?? ''} ${labels.get('model_type') ?? ''}`.toLowerCase();
  const ranks = kind.includes('rerank') || kind.includes('crossencoder');
  const capabilities = generates ? TEXT_MODEL : [ranks ? 'rerank' : 'embeddings'];
  const sees = labels.get('has_image_understanding') === 'true' || labels.get('supports_vision') === 'true';
  return sees ? [...capabilities, 'vision'] : capabilities;
}

/**
 * Cards of a provider: names that differ only in the date at their end are one model, the shortest of them its name and
 * the others aliases.
 */
export function providerCards(listed: readonly ListedModel[]): readonly ModelCard[] {
  const groups = new Map<string, ListedModel[]>();
  for (const model of listed) {
    const base = model.id.replace(/-\d{4}-\d{2}(?:-\d{2})?$/, '');
    const group = groups.get(base);
    if (group === undefined) groups.set(base, [model]);
    else group.push(model);
  }
  return Array.from(groups.values(), (group) => {
    const main = group.reduce((best, model) => (model.id.length < best.id.length ? model : best));
    const { id, contextLength } = main;
    const aliases = [...main.aliases, ...group.map((model) => model.id)].filter((alias) => alias !== id);
    const provider = providerOfModel(id);
    return compact({
      ...listedFacts(main),
      id,
      aliases,
      contextLength,
      capabilities: capabilitiesByName(id),
      provider,
    });
  });
}

/** What a provider's model can do, as far as its name tells. */
export function capabilitiesByName(id: string): readonly string[] {
  const name = id.toLowerCase();
  if (name.includes('embed') || name.includes('ada-002')) return ['embeddings'];
  if (name.includes('rerank')) return ['rerank'];
  if (/^(?:dall-e|sora)/.test(name) || (name.includes('image') && !name.includes('vision'))) return ['image_gen'];
  if (/^(?:tts|whisper)|audio|realtime|transcribe/.test(name)) return ['audio'];
  if (name.includes('moderation')) return ['moderation'];
  if (name.includes('vision') || name.includes('4o')) return [...TEXT_MODEL, 'vision'];
  if (/^o\d(?:-|$)/.test(name)) return [...TEXT_MODEL, 'reasoning'];
  return TEXT_MODEL;
}

function listedFacts(model: ListedModel | undefined): Partial<Loose<ModelCard>> {
  return { displayName: model?.displayName, aliases: model?.aliases, parent: model?.parent };
}

type Loose<T> = { [K in keyof T]: T[K] | undefined };

/** Without the keys that have no value, empty lists among them. */
function compact(card: Partial<Loose<ModelCard>> & { readonly id: string }): ModelCard {
  const entries = Object.entries(card).filter(
    ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(entries) as unknown as ModelCard;
}

/** The texts of a label that holds a JSON array. */
function stringArray(json: string | undefined): readonly string[] | undefined {
  if (json === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : undefined;
  } catch {
    // A single architecture written as plain text.
    return [json];
  }
}
