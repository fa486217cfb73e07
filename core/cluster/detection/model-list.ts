import { isJsonObject } from '../../api/json.js';

/** Longest list that is read; what comes after is left out. */
const MAX_MODELS = 10_000;
/** Longest name of a model. */
const MAX_ID_LENGTH = 512;

/** One entry of a model list, in any of the dialects. */
export interface ListedModel {
  readonly id: string;
  /** Lower case; empty when it is not said. */
  readonly owner: string;
  readonly displayName: string | undefined;
  readonly root: string | undefined;
  readonly parent: string | undefined;
  readonly contextLength: number | undefined;
  readonly aliases: readonly string[];
}

/**
 * Models of `GET /v1/models`: `data` with `id` (OpenAI, Anthropic, engines), or `models` with `name` (Gemini, whose
 * `models/` in front is no part of the name that requests use). Entries without a usable name are passed over, each name
 * comes once. Undefined when it is no such list.
 */
export function readModelList(value: unknown): readonly ListedModel[] | undefined {
  if (!isJsonObject(value)) return undefined;
  const items = Array.isArray(value.data) ? value.data : value.models;
  if (!Array.isArray(items)) return undefined;
  const byId = new Map<string, ListedModel>();
  for (const item of items as readonly unknown[]) {
    const model = isJsonObject(item) ? readEntry(item) : undefined;
    if (model !== undefined && !byId.has(model.id)) byId.set(model.id, model);
    if (byId.size === MAX_MODELS) break;
  }
  return [...byId.values()];
}

function readEntry(item: Record<string, unknown>): ListedModel | undefined {
  const name = text(item.id) ?? text(item.name)?.replace(/^models\//, '');
  if (name === undefined || name === '' || name.length > MAX_ID_LENGTH) return undefined;
  return {
    id: name,
    owner: (text(item.owned_by) ?? '').toLowerCase(),
    displayName: text(item.display_name) ?? text(item.displayName),
    root: text(item.root),
    parent: text(item.parent),
    contextLength: count(item.max_model_len) ?? count(item.context_length) ?? count(item.inputTokenLimit),
    aliases: Array.isArray(item.aliases) ? item.aliases.filter((alias) => text(alias) !== undefined) : [],
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}
