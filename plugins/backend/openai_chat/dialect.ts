import type { BackendCall, Clock, Conversation, GatewayError, ResponseHeaders } from '../../../core/api/index.js';
import { COMMON_TOOL_NAMES, ToolNames } from '../translate/tool-names.js';
import { UnsupportedParams } from '../translate/unsupported-params.js';
import type { EncodedRequest, WorkerDialect } from '../translate/worker-dialect.js';
import { ChatDecoder } from './decoder.js';
import { encodeMessages } from './encode-messages.js';
import { encodeSettings } from './encode-settings.js';
import { encodeTools, wrappedTools } from './encode-tools.js';
import { keepField, readHttpError } from './errors.js';
import { type ChatFlavour, isReasoningModel } from './flavour.js';

/**
 * OpenAI's chat completions as the dialect of workers, for clients of other apis. `flavourOf`: which of the services with
 * this API a call goes to.
 */
export class ChatDialect implements WorkerDialect {
  readonly type = 'openai_chat';
  readonly nativeApis: readonly string[] = ['chat'];
  readonly #flavourOf: (call: BackendCall) => ChatFlavour;
  readonly #clock: Pick<Clock, 'nowMs'>;

  constructor(flavourOf: (call: BackendCall) => ChatFlavour, clock: Pick<Clock, 'nowMs'>) {
    this.#flavourOf = flavourOf;
    this.#clock = clock;
  }

  encode(conversation: Conversation, call: BackendCall): EncodedRequest {
    const flavour = this.#flavourOf(call);
    const model = call.request?.model ?? '';
    const names = new ToolNames(COMMON_TOOL_NAMES, conversation.tools);
    const systemRole = flavour.kind === 'openai' && isReasoningModel(model) ? 'developer' : 'system';
    const context = { flavour, model, systemRole, names } as const;
    const unsupported = new UnsupportedParams(flavour.unsupported);
    const stopParam = call.request?.rawField('stop') === undefined ? 'stop_sequences' : 'stop';
    const body = {
      model,
      messages: encodeMessages(conversation, context),
      ...encodeTools(conversation, context),
      ...encodeSettings(conversation, flavour, model, stopParam, unsupported),
    };
    return {
      path: '/v1/chat/completions',
      body,
      dropped: unsupported.dropped,
      createDecoder: () => new ChatDecoder(conversation.choices, names, wrappedTools(conversation, flavour)),
    };
  }

  readError(status: number, headers: ResponseHeaders, body: string): GatewayError {
    return readHttpError(status, headers, body, this.#clock.nowMs());
  }

  keepHeader(name: string, value: string): readonly [string, string] | undefined {
    return keepField(name, value);
  }
}
