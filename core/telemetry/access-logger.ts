import type { Clock } from '../api/clock.js';
import type { TokenUsage } from '../api/inference.js';
import type { AccessLog } from '../api/log.js';
import { formatNanos } from '../api/money.js';
import type { StreamInfo } from '../api/stream-info.js';
import { field, JsonLineWriter, type LineWriter, MAX_NAME_LENGTH, TextLineWriter } from './line-writer.js';
import type { LogFormat } from './log.js';
import type { LogSink } from './log-destination.js';

/** Longest path in a line, characters; the rest is cut. */
const MAX_PATH_LENGTH = 256;

const REQUEST_ID = field('request_id');
const LISTENER = field('listener');
const PROTOCOL = field('protocol');
const CLIENT = field('client');
const METHOD = field('method');
const PATH = field('path');
const ENDPOINT = field('endpoint');
const STATUS = field('status');
const DETAILS = field('details');
const COMPLETE = field('complete');
const TENANT = field('tenant');
const API = field('api');
const STREAM = field('stream');
const MODEL_REQUESTED = field('model_requested');
const MODEL = field('model');
const ROUTE = field('route');
const CLUSTER = field('cluster');
const WORKER = field('worker');
const BYTES_IN = field('bytes_in');
const BYTES_OUT = field('bytes_out');
const DURATION_MS = field('duration_ms');
const TTFB_MS = field('ttfb_ms');
const UPSTREAM_MS = field('upstream_ms');
const INPUT_TOKENS = field('input_tokens');
const CACHED_TOKENS = field('cached_tokens');
const OUTPUT_TOKENS = field('output_tokens');
const CACHE_WRITE_TOKENS = field('cache_write_tokens');
const REASONING_TOKENS = field('reasoning_tokens');
const USAGE_ESTIMATED = field('usage_estimated');
const COST = field('cost');
const CURRENCY = field('currency');
const PRICE_VERSION = field('price_version');
const COST_ESTIMATED = field('cost_estimated');

/**
 * Writes the access log: one line per finished stream with ids, status, worker, attempts, times and tokens. No query
 * strings, headers, bodies or worker URLs. Lines of answers with 5xx have level `error`, all others `info`.
 */
export class AccessLogger implements AccessLog {
  readonly #sink: LogSink;
  readonly #clock: Clock;
  readonly #isLevelEnabled: (level: string) => boolean;
  readonly #line: LineWriter;
  readonly #target: TargetPiece;

  /** `isLevelEnabled` is that of the log whose sink it shares, so that a quiet log is quiet here too. */
  constructor(sink: LogSink, format: LogFormat, clock: Clock, isLevelEnabled: (level: string) => boolean) {
    this.#sink = sink;
    this.#clock = clock;
    this.#isLevelEnabled = isLevelEnabled;
    this.#line = format === 'json' ? new JsonLineWriter() : new TextLineWriter();
    this.#target = new TargetPiece(format === 'json' ? new JsonLineWriter() : new TextLineWriter());
  }

  write(streamInfo: StreamInfo): void {
    const level = streamInfo.status >= 500 ? 'error' : 'info';
    if (!this.#isLevelEnabled(level)) return;
    const line = this.#line;
    line.begin(this.#clock.nowMs(), level);
    line.clientText(REQUEST_ID, streamInfo.requestId, MAX_NAME_LENGTH);
    line.clientText(CLIENT, streamInfo.remoteAddress, MAX_NAME_LENGTH);
    line.append(this.#target.of(streamInfo));
    writeOutcome(line, streamInfo);
    writeRouting(line, streamInfo);
    writeNumbers(line, streamInfo);
    this.#sink.writeAscii(line.end());
  }
}

/**
 * The part of a line that says what was asked for. Nearly every request asks for the same as the one before, so the last
 * piece is kept: it is a third of the work.
 */
class TargetPiece {
  readonly #line: LineWriter;
  #listener = '';
  #protocol = '';
  #method = '';
  #path = '';
  #endpoint = '';
  #piece = '';

  constructor(line: LineWriter) {
    this.#line = line;
  }

  of(info: StreamInfo): string {
    if (
      info.path !== this.#path ||
      info.endpoint !== this.#endpoint ||
      info.method !== this.#method ||
      info.protocol !== this.#protocol ||
      info.listener !== this.#listener
    ) {
      this.#make(info);
    }
    return this.#piece;
  }

  #make(info: StreamInfo): void {
    const line = this.#line;
    line.clientText(LISTENER, info.listener, MAX_NAME_LENGTH);
    line.ownText(PROTOCOL, info.protocol);
    line.clientText(METHOD, info.method, MAX_NAME_LENGTH);
    const query = info.path.indexOf('?');
    line.clientText(PATH, query < 0 ? info.path : info.path.slice(0, query), MAX_PATH_LENGTH);
    line.clientText(ENDPOINT, info.endpoint, MAX_PATH_LENGTH);
    this.#piece = line.take();
    this.#listener = info.listener;
    this.#protocol = info.protocol;
    this.#method = info.method;
    this.#path = info.path;
    this.#endpoint = info.endpoint;
  }
}

function writeOutcome(line: LineWriter, info: StreamInfo): void {
  line.number(STATUS, info.status);
  line.clientText(DETAILS, info.responseDetails, MAX_NAME_LENGTH);
  line.flag(COMPLETE, info.complete);
  if (info.principal !== undefined) line.clientText(TENANT, info.principal.tenant, MAX_NAME_LENGTH);
}

function writeRouting(line: LineWriter, info: StreamInfo): void {
  if (info.api !== undefined) line.ownText(API, info.api.type);
  const request = info.inference;
  if (request !== undefined) {
    line.flag(STREAM, request.stream);
    const { model, requestedModel } = request;
    if (requestedModel !== undefined && requestedModel !== model) {
      line.clientText(MODEL_REQUESTED, requestedModel, MAX_NAME_LENGTH);
    }
    if (model !== undefined) line.clientText(MODEL, model, MAX_NAME_LENGTH);
  }
  if (info.route !== undefined) line.clientText(ROUTE, info.route, MAX_NAME_LENGTH);
  const last = info.attempts.at(-1);
  if (last === undefined) return;
  line.clientText(CLUSTER, last.worker.cluster, MAX_NAME_LENGTH);
  line.ownText(WORKER, last.worker.id);
  line.attempts(info.attempts);
}

function writeNumbers(line: LineWriter, info: StreamInfo): void {
  line.number(BYTES_IN, info.requestBytes);
  line.number(BYTES_OUT, info.responseBytes);
  line.milliseconds(DURATION_MS, info.endedMs - info.startedMs);
  if (info.firstByteMs !== 0) line.milliseconds(TTFB_MS, info.firstByteMs - info.startedMs);
  const last = info.attempts.at(-1);
  if (last !== undefined) {
    line.milliseconds(UPSTREAM_MS, (last.endedMs === 0 ? info.endedMs : last.endedMs) - last.startedMs);
  }
  const { usage, cost } = info;
  if (usage !== undefined) writeTokens(line, usage);
  if (cost === undefined) return;
  line.decimal(COST, formatNanos(cost.nanos));
  line.ownText(CURRENCY, cost.currency);
  line.ownText(PRICE_VERSION, cost.priceVersion);
  if (cost.estimated) line.flag(COST_ESTIMATED, true);
}

function writeTokens(line: LineWriter, usage: TokenUsage): void {
  if (usage.promptTokens !== undefined) line.number(INPUT_TOKENS, usage.promptTokens);
  if (usage.cachedTokens !== undefined) line.number(CACHED_TOKENS, usage.cachedTokens);
  if (usage.cacheWriteTokens !== undefined) line.number(CACHE_WRITE_TOKENS, usage.cacheWriteTokens);
  if (usage.completionTokens !== undefined) line.number(OUTPUT_TOKENS, usage.completionTokens);
  if (usage.reasoningTokens !== undefined) line.number(REASONING_TOKENS, usage.reasoningTokens);
  if (usage.estimated === true) line.flag(USAGE_ESTIMATED, true);
}
