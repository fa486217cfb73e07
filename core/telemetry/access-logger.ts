import type { Clock } from '../api/clock.js';
import type { AccessLog } from '../api/log.js';
import type { Attempt, StreamInfo } from '../api/stream-info.js';
import type { LogFormat } from './log.js';
import type { LogSink } from './log-destination.js';
import { escapeJsonText, formatTextValue } from './safe-text.js';
import { textLineStart } from './text-format.js';
import { formatTimestamp } from './timestamp.js';

/** Longest piece of client text in a line, characters; the rest is cut. */
const MAX_PATH_LENGTH = 256;
const MAX_NAME_LENGTH = 128;
/** Attempts that are listed; a request has a handful at most. */
const MAX_ATTEMPTS = 16;

/** A field name as it stands in a line of either format, so that writing one is a single concatenation. */
interface Field {
  readonly jsonText: string;
  readonly json: string;
  readonly text: string;
}

const field = (name: string): Field => ({ jsonText: `,"${name}":"`, json: `,"${name}":`, text: ` ${name}=` });

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
const REASONING_TOKENS = field('reasoning_tokens');

/** One line under construction. Two formats, one list of fields. */
interface LineWriter {
  begin(unixMs: number, level: string): void;
  /** Text that may hold anything. */
  clientText(name: Field, value: string, maxLength: number): void;
  /** Text of ours, known to need no escape. */
  ownText(name: Field, value: string): void;
  number(name: Field, value: number): void;
  flag(name: Field, value: boolean): void;
  attempts(attempts: readonly Attempt[]): void;
  end(): string;
}

class JsonLineWriter implements LineWriter {
  #line = '';

  begin(unixMs: number, level: string): void {
    this.#line = `{"level":"${level}","time":"${formatTimestamp(unixMs)}","msg":"request"`;
  }

  clientText(name: Field, value: string, maxLength: number): void {
    this.#line += `${name.jsonText}${escapeJsonText(value, maxLength)}"`;
  }

  ownText(name: Field, value: string): void {
    this.#line += `${name.jsonText}${value}"`;
  }

  number(name: Field, value: number): void {
    this.#line += name.json + value;
  }

  flag(name: Field, value: boolean): void {
    this.#line += name.json + value;
  }

  attempts(attempts: readonly Attempt[]): void {
    let list = '';
    const count = Math.min(attempts.length, MAX_ATTEMPTS);
    for (let i = 0; i < count; i++) {
      const attempt = attempts[i] as Attempt;
      const error = attempt.error === undefined ? '' : `,"error":"${escapeJsonText(attempt.error, MAX_NAME_LENGTH)}"`;
      const ms = attempt.endedMs === 0 ? '' : `,"ms":${roundMs(attempt.endedMs - attempt.startedMs)}`;
      list += `${i === 0 ? '' : ','}{"worker":"${attempt.worker.id}","status":${attempt.status}${error}${ms}}`;
    }
    this.#line += `,"attempts":[${list}]`;
  }

  end(): string {
    return `${this.#line}}\n`;
  }
}

class TextLineWriter implements LineWriter {
  #line = '';

  begin(unixMs: number, level: string): void {
    this.#line = textLineStart(formatTimestamp(unixMs), level, 'request', false);
  }

  clientText(name: Field, value: string, maxLength: number): void {
    this.#line += name.text + formatTextValue(value, maxLength);
  }

  ownText(name: Field, value: string): void {
    this.#line += name.text + value;
  }

  number(name: Field, value: number): void {
    this.#line += name.text + value;
  }

  flag(name: Field, value: boolean): void {
    this.#line += name.text + value;
  }

  attempts(attempts: readonly Attempt[]): void {
    const list = attempts
      .slice(0, MAX_ATTEMPTS)
      .map(({ worker, status, error }) => `${worker.id}:${error ?? status}`)
      .join(',');
    this.#line += ` attempts=${formatTextValue(list, MAX_ATTEMPTS * MAX_NAME_LENGTH)}`;
  }

  end(): string {
    return `${this.#line}\n`;
  }
}

/**
 * Writes the access log: one line per finished stream with ids, status, worker, attempts, times and tokens. No query
 * strings, headers, bodies or worker URLs. Lines of answers with 5xx have level `error`, all others `info`.
 */
export class AccessLogger implements AccessLog {
  readonly #sink: LogSink;
  readonly #clock: Clock;
  readonly #isLevelEnabled: (level: string) => boolean;
  readonly #line: LineWriter;

  /** `isLevelEnabled` is that of the log whose sink it shares, so that a quiet log is quiet here too. */
  constructor(sink: LogSink, format: LogFormat, clock: Clock, isLevelEnabled: (level: string) => boolean) {
    this.#sink = sink;
    this.#clock = clock;
    this.#isLevelEnabled = isLevelEnabled;
    this.#line = format === 'json' ? new JsonLineWriter() : new TextLineWriter();
  }

  write(streamInfo: StreamInfo): void {
    const level = streamInfo.status >= 500 ? 'error' : 'info';
    if (!this.#isLevelEnabled(level)) return;
    const line = this.#line;
    line.begin(this.#clock.nowMs(), level);
    writeRequest(line, streamInfo);
    writeRouting(line, streamInfo);
    writeNumbers(line, streamInfo);
    this.#sink.writeAscii(line.end());
  }
}

function writeRequest(line: LineWriter, info: StreamInfo): void {
  line.clientText(REQUEST_ID, info.requestId, MAX_NAME_LENGTH);
  line.clientText(LISTENER, info.listener, MAX_NAME_LENGTH);
  line.ownText(PROTOCOL, info.protocol);
  line.clientText(CLIENT, info.remoteAddress, MAX_NAME_LENGTH);
  line.clientText(METHOD, info.method, MAX_NAME_LENGTH);
  const query = info.path.indexOf('?');
  line.clientText(PATH, query < 0 ? info.path : info.path.slice(0, query), MAX_PATH_LENGTH);
  line.clientText(ENDPOINT, info.endpoint, MAX_PATH_LENGTH);
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
  line.number(DURATION_MS, roundMs(info.endedMs - info.startedMs));
  if (info.firstByteMs !== 0) line.number(TTFB_MS, roundMs(info.firstByteMs - info.startedMs));
  const last = info.attempts.at(-1);
  if (last !== undefined) {
    line.number(UPSTREAM_MS, roundMs((last.endedMs === 0 ? info.endedMs : last.endedMs) - last.startedMs));
  }
  const { usage } = info;
  if (usage === undefined) return;
  if (usage.promptTokens !== undefined) line.number(INPUT_TOKENS, usage.promptTokens);
  if (usage.cachedTokens !== undefined) line.number(CACHED_TOKENS, usage.cachedTokens);
  if (usage.completionTokens !== undefined) line.number(OUTPUT_TOKENS, usage.completionTokens);
  if (usage.reasoningTokens !== undefined) line.number(REASONING_TOKENS, usage.reasoningTokens);
}

/** Hundredths of a millisecond are enough for anybody who reads logs. */
function roundMs(ms: number): number {
  return Math.round(ms * 100) / 100;
}
