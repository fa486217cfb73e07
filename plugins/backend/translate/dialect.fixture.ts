import type { BackendCall, Conversation, Delta } from '../../../core/api/index.js';
import { SseSplitter } from '../../../core/inference/sse-codec.js';
import type { WorkerDialect } from './worker-dialect.js';

/** What a decoder made of a stream. */
export interface DecodedStream {
  readonly deltas: readonly Delta[];
  readonly complete: boolean;
}

/** Decodes the text of a stream, cut after `cuts` bytes (offsets, ascending). GatewayErrors are thrown on. */
export function decodeStream(
  dialect: WorkerDialect,
  conversation: Conversation,
  call: BackendCall,
  text: string,
  cuts: readonly number[] = [],
): DecodedStream {
  const decoder = dialect.createDecoder(conversation, call);
  const deltas: Delta[] = [];
  const emit = (delta: Delta): void => {
    deltas.push(delta);
  };
  const splitter = new SseSplitter();
  let complete = false;
  const onEvent = ({ event, data }: { event: string | undefined; data: string | undefined }): void => {
    if (data !== undefined && !complete) complete = decoder.onEvent(event, data, emit);
  };
  const bytes = Buffer.from(text, 'utf8');
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    splitter.push(bytes.subarray(at, cut), onEvent);
    at = cut;
  }
  splitter.finish(onEvent);
  if (!complete) complete = decoder.onEnd(emit);
  return { deltas, complete };
}
