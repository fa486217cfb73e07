import type { RequestHeaders } from '../../../core/api/headers.js';
import type { JsonObject } from '../../../core/api/inference.js';
import { isJsonObject } from '../../../core/api/json.js';
import type { SimConfig } from './config.js';
import type { SimExchange } from './exchange.js';
import { RequestRejected } from './rejection.js';
import type { SimEngine } from './sim-engine.js';
import type { SimPace } from './sim-job.js';

/** A field that must be a whole number of at least `min`, when present. */
export function readCount(body: JsonObject, name: string, min: number): number | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value)) throw invalid(name, 'Input should be a valid integer');
  if (value < min) {
    throw new RequestRejected(400, `${name} must be at least ${min}, got ${value}. (parameter=${name})`, name);
  }
  return value;
}

/** A field that must be a boolean, when present; default false. */
export function readFlag(body: JsonObject, name: string): boolean {
  const value = body[name];
  if (value === undefined || value === null) return false;
  if (typeof value !== 'boolean') throw invalid(name, 'Input should be a valid boolean');
  return value;
}

/** `stop`: a string or strings; empty ones are left out. */
export function readStop(value: unknown, name = 'stop'): string[] {
  if (value === undefined || value === null) return [];
  const list = Array.isArray(value) ? value : [value];
  if (!list.every((item) => typeof item === 'string')) throw invalid(name, 'Input should be a string or strings');
  return list.filter((item) => item.length > 0);
}

/** An object field, or undefined. */
export function readObject(body: JsonObject, name: string): JsonObject | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (!isJsonObject(value)) throw invalid(name, 'Input should be a valid dictionary');
  return value;
}

/** A required list field. */
export function readList(body: JsonObject, name: string): readonly unknown[] {
  const value = body[name];
  if (value === undefined) throw missing(name);
  if (!Array.isArray(value)) throw invalid(name, 'Input should be a valid list');
  return value;
}

/** The served model that the request names; the default one when it names none. Throws 404 for others. */
export function readModel(engine: SimEngine, body: JsonObject): string {
  const { model } = body;
  if (model === undefined || model === null || model === '') return engine.model;
  if (typeof model !== 'string') throw invalid('model', 'Input should be a valid string');
  if (engine.config.models.includes(model)) return model;
  throw new RequestRejected(404, `The model \`${model}\` does not exist.`, 'model');
}

/** Text of a message content: a string, or parts whose texts are joined by line feeds. */
export function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  const texts: string[] = [];
  for (const part of content) {
    if (typeof part === 'string') texts.push(part);
    else if (isJsonObject(part) && typeof part.text === 'string') texts.push(part.text);
    else if (isJsonObject(part) && part.content !== undefined) texts.push(contentText(part.content));
  }
  return texts.join('\n');
}

/** Pseudo token ids or text of a prompt given as string, ids, or a list of either; in request order. */
export function readPrompts(value: unknown, name: string): (string | Uint32Array)[] {
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value) || value.length === 0) throw invalid(name, 'Input should be a string, ids or a list');
  if (value.every((item) => typeof item === 'number')) return [Uint32Array.from(value as number[])];
  return value.map((item: unknown) => {
    if (typeof item === 'string') return item;
    if (Array.isArray(item) && item.length > 0 && item.every((id) => typeof id === 'number')) {
      return Uint32Array.from(item as number[]);
    }
    throw invalid(name, 'Input should be strings or lists of token ids');
  });
}

/** Pace from `x-sim-ttft`, `x-sim-itl` (ms), a `slow_first_token` fault, and the engine's own. */
export function readPace(exchange: SimExchange, config: SimConfig): SimPace | undefined {
  const slow = exchange.fault?.kind === 'slow_first_token' ? exchange.fault.value : undefined;
  const ttftMs = slow ?? readHeaderMs(exchange.headers, 'x-sim-ttft') ?? config.ttft;
  const itlMs = readHeaderMs(exchange.headers, 'x-sim-itl') ?? config.itl;
  if (ttftMs === undefined && itlMs === undefined) return undefined;
  return { ...(ttftMs === undefined ? {} : { ttftMs }), ...(itlMs === undefined ? {} : { itlMs }) };
}

/** `x-sim-output-tokens`: exact natural length of the answer. */
export function readExactTokens(headers: RequestHeaders): number | undefined {
  const value = readHeaderMs(headers, 'x-sim-output-tokens');
  if (value === undefined) return undefined;
  if (!Number.isInteger(value) || value < 1) {
    throw new RequestRejected(400, 'x-sim-output-tokens must be a whole number of at least 1', 'x-sim-output-tokens');
  }
  return value;
}

/** Field is required but absent. */
export function missing(name: string): RequestRejected {
  return new RequestRejected(400, `1 validation error:\n  body.${name}: Field required`, name);
}

/** Field has a wrong type or value. */
export function invalid(name: string, message: string): RequestRejected {
  return new RequestRejected(400, `1 validation error:\n  body.${name}: ${message}`, name);
}

function readHeaderMs(headers: RequestHeaders, name: string): number | undefined {
  const text = headers.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && Number.isFinite(value)) return value;
  throw new RequestRejected(400, `${name} must be a number of at least 0`, name);
}
