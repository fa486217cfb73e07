import type {
  BackendCall,
  Clock,
  Conversation,
  GatewayError,
  InferenceRequest,
  Logger,
  ResponseHeaders,
} from '../../../core/api/index.js';
import type { EncodedRequest, WorkerDialect } from '../translate/worker-dialect.js';
import { readHttpError, refusedFeature } from './errors.js';
import { BETA_HEADER, betaHeader, normaliseKey, VERSION_HEADER, versionHeader } from './headers.js';
import { ModelFeatureTable } from './model-features.js';
import { encodeRequest } from './request.js';
import { keepField } from './response-headers.js';
import type { AnthropicSettings } from './settings.js';

/** Anthropic's Messages API as the dialect of workers. */
export class AnthropicDialect implements WorkerDialect {
  readonly type = 'anthropic';
  readonly nativeApis: readonly string[] = ['messages', 'count_tokens'];
  readonly #settings: AnthropicSettings;
  readonly #features: ModelFeatureTable;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #logger: Pick<Logger, 'warn'>;
  /** Fields that a hint was logged for: one each. */
  readonly #hinted = new Set<string>();

  constructor(settings: AnthropicSettings, clock: Pick<Clock, 'nowMs'>, logger: Pick<Logger, 'warn'>) {
    this.#settings = settings;
    this.#features = new ModelFeatureTable(settings.models);
    this.#clock = clock;
    this.#logger = logger;
  }

  prepareNative(_request: InferenceRequest | undefined, { headers }: BackendCall): void {
    normaliseKey(headers);
    headers.set(VERSION_HEADER, versionHeader(headers, this.#settings.version));
    const beta = betaHeader(headers, undefined, this.#settings.betas);
    if (beta !== undefined) headers.set(BETA_HEADER, beta);
  }

  encode(conversation: Conversation, call: BackendCall): EncodedRequest {
    normaliseKey(call.headers);
    return encodeRequest(conversation, call, this.#settings, this.#features.of(call.request?.model ?? ''));
  }

  readError(status: number, headers: ResponseHeaders, body: string): GatewayError {
    const error = readHttpError(status, headers, body, this.#clock.nowMs());
    this.#hint(refusedFeature(error));
    return error;
  }

  keepHeader(name: string, value: string): readonly [string, string] | undefined {
    return keepField(name, value, this.#clock.nowMs());
  }

  #hint(field: string | undefined): void {
    if (field === undefined || this.#hinted.has(field)) return;
    this.#hinted.add(field);
    this.#logger.warn(
      { field },
      'Anthropic refused a field that not every model takes; if it was the gateway that sent it, correct its model in the settings',
    );
  }
}
