/** A block of an answer, and an event of a stream. */
type Json = Readonly<Record<string, unknown>>;

/** An answer as `POST /v1/messages` gives it without `stream`. */
export interface AnthropicMessage {
  readonly id: string;
  readonly type: 'message';
  readonly role: 'assistant';
  readonly model: string;
  readonly content: readonly Json[];
  readonly stop_reason: string | null;
  readonly stop_sequence: string | null;
  readonly stop_details?: Json;
  readonly usage: { readonly output_tokens: number; readonly [name: string]: unknown };
}

/** The events by which Anthropic streams the same answer; texts and inputs in pieces of so many characters. */
export function messageEvents(message: AnthropicMessage, pieceLength: number): Json[] {
  const { content, stop_reason, stop_sequence, stop_details, usage, ...head } = message;
  const started = {
    ...head,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...usage, output_tokens: 1 },
  };
  return [
    { type: 'message_start', message: started },
    { type: 'ping' },
    ...content.flatMap((block, index) => blockEvents(block, index, pieceLength)),
    {
      type: 'message_delta',
      delta: { stop_reason, stop_sequence, ...(stop_details === undefined ? {} : { stop_details }) },
      usage: { output_tokens: usage.output_tokens },
    },
    { type: 'message_stop' },
  ];
}

function blockEvents(block: Json, index: number, pieceLength: number): Json[] {
  const delta = (fields: Json): Json => ({ type: 'content_block_delta', index, delta: fields });
  const framed = (start: Json, deltas: readonly Json[]): Json[] => [
    { type: 'content_block_start', index, content_block: start },
    ...deltas,
    { type: 'content_block_stop', index },
  ];
  switch (block.type) {
    case 'text': {
      const citations = (block.citations ?? []) as readonly Json[];
      return framed({ ...block, text: '', ...(block.citations === undefined ? {} : { citations: [] }) }, [
        ...citations.map((citation) => delta({ type: 'citations_delta', citation })),
        ...pieces(String(block.text), pieceLength).map((text) => delta({ type: 'text_delta', text })),
      ]);
    }
    case 'thinking':
      return framed({ type: 'thinking', thinking: '', signature: '' }, [
        ...pieces(String(block.thinking), pieceLength).map((thinking) => delta({ type: 'thinking_delta', thinking })),
        delta({ type: 'signature_delta', signature: block.signature }),
      ]);
    case 'tool_use':
    case 'server_tool_use':
      return framed({ ...block, input: {} }, [
        delta({ type: 'input_json_delta', partial_json: '' }),
        ...pieces(JSON.stringify(block.input), pieceLength).map((json) =>
          delta({ type: 'input_json_delta', partial_json: json }),
        ),
      ]);
    default:
      return framed(block, []);
  }
}

/** Never between the halves of a character. */
function pieces(text: string, length: number): string[] {
  const characters = [...text];
  const result: string[] = [];
  for (let at = 0; at < characters.length; at += length) result.push(characters.slice(at, at + length).join(''));
  return result;
}

/** An event as it goes over the wire. */
export function eventFrame(event: Json): string {
  return `event: ${String(event.type)}\ndata: ${JSON.stringify(event)}\n\n`;
}
