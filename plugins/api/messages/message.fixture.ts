import type { DeltaRenderer, RenderContext } from '../../../core/api/client-api.js';
import type { Delta, InferenceRequest, JsonObject } from '../../../core/api/inference.js';
import { jsonRequest } from '../../../core/testing/index.js';
import messages from './plugin.js';
import { createMessagesRenderer } from './renderer.js';

export const api = messages.create(
  {},
  { onDispose: () => undefined },
) as import('../../../core/api/client-api.js').ClientApi;

const CONTEXT: RenderContext = { responseId: 'msg_1', createdS: 1_700_000_000, model: 'm' };

/** A body as `inference` reads it. Throws the error that a client would get. */
export function requestOf(fields: JsonObject = {}): InferenceRequest {
  return jsonRequest({ model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }], ...fields }, api);
}

export interface StreamedEvent {
  readonly event: string;
  readonly data: JsonObject;
}

/** The events of a streamed answer; `finish` is added where there is none. */
export function streamed(deltas: readonly Delta[], fields: JsonObject = {}): StreamedEvent[] {
  const text = rendered(createMessagesRenderer(requestOf({ ...fields, stream: true }), CONTEXT), deltas);
  return text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => {
      const [event = '', data = '', ...rest] = frame.split('\n');
      if (rest.length > 0 || !event.startsWith('event: ') || !data.startsWith('data: ')) throw new Error(frame);
      return { event: event.slice('event: '.length), data: JSON.parse(data.slice('data: '.length)) as JsonObject };
    });
}

/** The same answer, not streamed. */
export function collected(deltas: readonly Delta[], fields: JsonObject = {}): JsonObject {
  return JSON.parse(rendered(createMessagesRenderer(requestOf(fields), CONTEXT), deltas)) as JsonObject;
}

function rendered(renderer: DeltaRenderer, deltas: readonly Delta[]): string {
  const isEnded = deltas.some((delta) => delta.kind === 'finish');
  const all: readonly Delta[] = isEnded ? deltas : [...deltas, { kind: 'finish', choice: 0, reason: 'stop' }];
  let text = '';
  for (const delta of all) text += renderer.delta(delta)?.toString('utf8') ?? '';
  return text + renderer.end().toString('utf8');
}

/** What an SDK makes of the events: start, changes and stop of each block in turn, and nothing else between them. */
export function accumulated(events: readonly StreamedEvent[]): JsonObject {
  const [start, ...rest] = events.filter(({ event }) => event !== 'ping');
  if (start?.event !== 'message_start') throw new Error('the first event is not message_start');
  const message = start.data.message as JsonObject & { content: JsonObject[]; usage: JsonObject };
  let open = -1;
  let json = '';
  for (const { event, data } of rest) {
    if (data.type !== event) throw new Error(`${String(data.type)} in an event ${event}`);
    if (event === 'content_block_start') {
      if (open >= 0 || data.index !== message.content.length) throw new Error('blocks overlap');
      open = data.index as number;
      json = '';
      message.content.push(data.content_block as JsonObject);
    } else if (event === 'content_block_delta') {
      if (data.index !== open) throw new Error('a delta of a block that is not open');
      const block = message.content[open] as JsonObject;
      const delta = data.delta as JsonObject;
      if (delta.type === 'text_delta') block.text = `${String(block.text)}${String(delta.text)}`;
      else if (delta.type === 'thinking_delta') block.thinking = `${String(block.thinking)}${String(delta.thinking)}`;
      else if (delta.type === 'signature_delta') block.signature = delta.signature;
      else if (delta.type === 'citations_delta') block.citations = [...((block.citations as []) ?? []), delta.citation];
      else json += String(delta.partial_json);
    } else if (event === 'content_block_stop') {
      if (data.index !== open) throw new Error('a stop of a block that is not open');
      const block = message.content[open] as JsonObject;
      if (json !== '') block.input = JSON.parse(json);
      open = -1;
    } else if (event === 'message_delta') {
      Object.assign(message, data.delta);
      Object.assign(message.usage, data.usage);
    } else if (event !== 'message_stop') throw new Error(`unknown event ${event}`);
  }
  if (open >= 0 || rest.at(-1)?.event !== 'message_stop') throw new Error('the stream has no proper end');
  return message;
}
