import type { InferenceRequest, JsonObject } from '../../../core/api/index.js';

/**
 * xAI's Responses API takes no items of earlier answers as they were given: ids and states go, `output_text` becomes
 * `input_text`. An input that is a text, and any other api, stays as it is.
 */
export function prepareXaiResponses(request: InferenceRequest): void {
  if (request.api !== 'responses') return;
  const raw = request.rawField('input');
  if (raw === undefined || !raw.startsWith('[')) return;
  const items = JSON.parse(raw) as readonly unknown[];
  request.setField('input', JSON.stringify(items.map(prepareItem)));
}

function prepareItem(item: unknown): unknown {
  if (typeof item !== 'object' || item === null) return item;
  const { id: _id, status: _status, ...rest } = item as JsonObject;
  if (!Array.isArray(rest.content)) return rest;
  return { ...rest, content: rest.content.map(preparePart) };
}

function preparePart(part: unknown): unknown {
  const isOutput = typeof part === 'object' && part !== null && (part as JsonObject).type === 'output_text';
  return isOutput ? { ...part, type: 'input_text' } : part;
}
