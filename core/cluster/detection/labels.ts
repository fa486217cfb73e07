import { isJsonObject } from '../../api/json.js';
import type { ListedModel } from './model-list.js';

/** A value that is longer is no label but a document. */
const MAX_LABEL_LENGTH = 4_096;

/** Fields of SGLang's `/server_info` and their labels. */
const SERVER_INFO_LABELS: readonly (readonly [string, string])[] = [
  ['model_id', 'model_id'],
  ['model', 'model_id'],
  ...[
    'model_path',
    'served_model_name',
    'tp_size',
    'dp_size',
    'pp_size',
    'load_balance_method',
    'disaggregation_mode',
    'version',
    'is_embedding',
    'context_length',
    'max_total_tokens',
    'max_running_requests',
    'weight_version',
  ].map((name) => [name, name] as const),
];

const MODEL_INFO_LABELS: readonly (readonly [string, string])[] = [
  'model_path',
  'tokenizer_path',
  'is_generation',
  'has_image_understanding',
  'has_audio_understanding',
  'model_type',
  'architectures',
].map((name) => [name, name] as const);

/** Labels under construction; the first value of a label stays. */
export type LabelMap = Map<string, string>;

/** Takes what a server says of itself. */
export function addServerInfo(labels: LabelMap, value: unknown): void {
  addFields(labels, value, SERVER_INFO_LABELS);
}

/** Takes what a server says of its model. */
export function addModelInfo(labels: LabelMap, value: unknown): void {
  addFields(labels, value, MODEL_INFO_LABELS);
}

/** Takes the version of vLLM's `/version`. */
export function addVersion(labels: LabelMap, value: unknown): void {
  addFields(labels, value, [['version', 'version']]);
}

/** Fills gaps from the first model of the list. */
export function addListedModel(labels: LabelMap, model: ListedModel | undefined): void {
  if (model === undefined) return;
  addLabel(labels, 'served_model_name', model.id);
  addLabel(labels, 'model_path', model.root);
  addLabel(labels, 'max_model_len', model.contextLength);
}

function addFields(labels: LabelMap, value: unknown, fields: readonly (readonly [string, string])[]): void {
  if (!isJsonObject(value)) return;
  for (const [field, label] of fields) if (Object.hasOwn(value, field)) addLabel(labels, label, value[field]);
}

function addLabel(labels: LabelMap, label: string, value: unknown): void {
  const text = labelText(value);
  if (text !== undefined && !labels.has(label)) labels.set(label, text);
}

/** Undefined: nothing worth a label (null, empty, the text `null`, 0, an object). */
function labelText(value: unknown): string | undefined {
  let text: string;
  if (typeof value === 'string') text = value === 'null' ? '' : value;
  else if (typeof value === 'number') text = value === 0 ? '' : String(value);
  else if (typeof value === 'boolean') text = String(value);
  else if (Array.isArray(value) && value.length > 0) text = JSON.stringify(value);
  else return undefined;
  return text === '' || text.length > MAX_LABEL_LENGTH ? undefined : text;
}
