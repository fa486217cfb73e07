import type { JsonObject } from '../../../core/api/inference.js';
import { isJsonObject } from '../../../core/api/json.js';
import type { Answer } from './answer.js';
import { openaiUsage, WholeAnswer } from './chat-endpoint.js';
import { type Endpoint, inferenceEndpoint } from './endpoint.js';
import type { SimExchange } from './exchange.js';
import { generate } from './generation.js';
import { invalid, missing, readCount, readList, readModel, readPrompts } from './request-fields.js';
import type { SimEngine } from './sim-engine.js';
import { hashIds, mix, splitPieces } from './text.js';

const DEFAULT_DIMENSIONS = 64;
const LABELS = ['LABEL_0', 'LABEL_1', 'LABEL_2'];

/** Endpoints that read and do not write: one pass over each input, one number or vector out. */
export const SCORING_ENDPOINTS: readonly Endpoint[] = [
  inferenceEndpoint('/v1/embeddings', handleEmbeddings),
  inferenceEndpoint('/rerank', handleRerank),
  inferenceEndpoint('/v1/rerank', handleRerank),
  inferenceEndpoint('/score', handleScore),
  inferenceEndpoint('/v1/score', handleScore),
  inferenceEndpoint('/classify', handleClassify),
  inferenceEndpoint('/v1/classify', handleClassify),
];

function handleEmbeddings(engine: SimEngine, exchange: SimExchange): void {
  const body = exchange.json();
  const model = readModel(engine, body);
  if (body.input === undefined) throw missing('input');
  const dimensions = readCount(body, 'dimensions', 1) ?? DEFAULT_DIMENSIONS;
  const asBase64 = body.encoding_format === 'base64';
  readEach(engine, exchange, readPrompts(body.input, 'input'), (answer) => {
    const data = answer.choices.map((choice) => {
      const vector = unitVector(hashIds(choice.promptIds), dimensions);
      const embedding = asBase64 ? Buffer.from(vector.buffer).toString('base64') : Array.from(vector);
      return { object: 'embedding', index: choice.index, embedding };
    });
    const { promptTokens } = answer.usage(1);
    const usage = { prompt_tokens: promptTokens, total_tokens: promptTokens, completion_tokens: 0 };
    return { object: 'list', data, model, usage };
  });
}

function handleRerank(engine: SimEngine, exchange: SimExchange): void {
  const body = exchange.json();
  const model = readModel(engine, body);
  const { query } = body;
  if (typeof query !== 'string') throw missing('query');
  const documents = readList(body, 'documents').map(documentText);
  const limit = readCount(body, 'top_n', 0) ?? readCount(body, 'top_k', 0) ?? documents.length;
  const withDocuments = body.return_documents !== false;
  readEach(engine, exchange, withQuery(query, documents), (answer) => {
    const ranked = documents
      .map((document, index) => ({ index, document, score: similarity(query, document) }))
      .sort((a, b) => b.score - a.score || a.index - b.index)
      .slice(0, limit === 0 ? documents.length : limit);
    if (engine.config.runtime === 'sglang') {
      return ranked.map(({ index, document, score }) => ({ score, index, ...(withDocuments ? { document } : {}) }));
    }
    const results = ranked.map(({ index, document, score }) => ({
      index,
      relevance_score: score,
      ...(withDocuments ? { document: { text: document } } : {}),
    }));
    return { id: engine.createId('rerank-'), model, usage: openaiUsage(answer.usage(1)), results };
  });
}

function handleScore(engine: SimEngine, exchange: SimExchange): void {
  const body = exchange.json();
  const model = readModel(engine, body);
  const query = body.query ?? body.text_1;
  const items = body.items ?? body.text_2;
  if (typeof query !== 'string') throw missing(body.text_1 === undefined ? 'query' : 'text_1');
  const texts = (Array.isArray(items) ? items : [items]).map(documentText);
  readEach(engine, exchange, withQuery(query, texts), (answer) => {
    const usage = openaiUsage(answer.usage(1));
    if (body.items !== undefined) {
      const labels = Array.isArray(body.label_token_ids) ? body.label_token_ids : [0];
      const scores = texts.map((text) => labels.map((label) => spread(similarity(query, text), Number(label))));
      return { scores, model, usage, object: 'scoring' };
    }
    const data = texts.map((text, index) => ({ index, object: 'score', score: similarity(query, text) }));
    return { id: engine.createId('score-'), object: 'list', created: createdAt(engine), model, data, usage };
  });
}

function handleClassify(engine: SimEngine, exchange: SimExchange): void {
  const body = exchange.json();
  const model = readModel(engine, body);
  const input = body.input ?? body.text;
  if (input === undefined) throw missing('input');
  readEach(engine, exchange, readPrompts(input, 'input'), (answer) => {
    const data = answer.choices.map((choice) => {
      const seed = hashIds(choice.promptIds);
      const weights = LABELS.map((_, index) => 1 + (mix(seed, index) % 1_000));
      const sum = weights.reduce((total, weight) => total + weight, 0);
      const probs = weights.map((weight) => weight / sum);
      const label = LABELS[weights.indexOf(Math.max(...weights))];
      return { index: choice.index, label, probs, num_classes: LABELS.length };
    });
    const usage = openaiUsage(answer.usage(1));
    return { id: engine.createId('classify-'), object: 'list', created: createdAt(engine), model, data, usage };
  });
}

/** One pass over each prompt, then the body that `render` makes. */
export function readEach(
  engine: SimEngine,
  exchange: SimExchange,
  prompts: readonly (string | Uint32Array)[],
  render: (answer: Answer) => JsonObject | JsonObject[],
): void {
  if (prompts.length === 0) {
    throw invalid('documents', 'List should have at least 1 item');
  }
  generate(
    engine,
    exchange,
    { prompts, choices: 1, maxTokens: 1, stop: [], ignoreEos: false, seed: 0, lastUserText: '', toolCalls: [] },
    new WholeAnswer((answer) => exchange.sendJson(200, render(answer))),
  );
}

function createdAt(engine: SimEngine): number {
  return Math.floor(engine.clock.nowMs() / 1_000);
}

function withQuery(query: string, documents: readonly string[]): string[] {
  return documents.map((document) => `${query}\n${document}`);
}

function documentText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (isJsonObject(value) && typeof value.text === 'string') return value.text;
  throw invalid('documents', 'Input should be a string or an object with text');
}

/** Share of the query's words that the document has, with a little of its own to tell equal ones apart; 0 to 1. */
function similarity(query: string, document: string): number {
  const words = new Set(splitPieces(document.toLowerCase()).map((piece) => piece.trim()));
  const wanted = splitPieces(query.toLowerCase()).map((piece) => piece.trim());
  const found = wanted.filter((word) => words.has(word)).length;
  return spread(found / Math.max(1, wanted.length), document.length);
}

function spread(score: number, seed: number): number {
  return 0.95 * score + 0.05 * (mix(seed) / 0x1_0000_0000);
}

function unitVector(seed: number, dimensions: number): Float32Array<ArrayBuffer> {
  const vector = new Float32Array(dimensions);
  let square = 0;
  for (let i = 0; i < dimensions; i++) {
    const value = mix(seed, i) / 0x8000_0000 - 1;
    vector[i] = value;
    square += value * value;
  }
  const length = Math.sqrt(square) || 1;
  for (let i = 0; i < dimensions; i++) vector[i] = (vector[i] as number) / length;
  return vector;
}
