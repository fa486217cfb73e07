import type { ModelCard } from '../api/worker.js';

/** A model card in the spelling of the worker API; what is not known is left out. */
export function describeModelCard(card: ModelCard): Record<string, unknown> {
  return {
    id: card.id,
    display_name: card.displayName,
    aliases: card.aliases,
    context_length: card.contextLength,
    model_type: card.capabilities,
    architectures: card.architectures,
    hf_model_type: card.hfModelType,
    tokenizer_path: card.tokenizerPath,
    parent: card.parent,
    provider: card.provider,
  };
}

/** The reverse, of a record that has passed its schema; fields of another type are left out. */
export function readModelCard(record: { readonly id: string; readonly [field: string]: unknown }): ModelCard {
  const card = {
    displayName: text(record.display_name),
    aliases: texts(record.aliases),
    contextLength: positive(record.context_length),
    capabilities: texts(record.model_type),
    architectures: texts(record.architectures),
    hfModelType: text(record.hf_model_type),
    tokenizerPath: text(record.tokenizer_path),
    provider: text(record.provider),
  };
  return { ...Object.fromEntries(Object.entries(card).filter(([, value]) => value !== undefined)), id: record.id };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function texts(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}
