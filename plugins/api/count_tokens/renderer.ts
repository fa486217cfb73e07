import type { DeltaRenderer } from '../../../core/api/client-api.js';
import type { ResponseHeaders } from '../../../core/api/headers.js';
import type { Delta } from '../../../core/api/inference.js';
import { jsonHeaders } from '../openai-wire.js';

/** Writes the prompt's tokens, which is all that an answer to this question says. */
export function createCountRenderer(): DeltaRenderer {
  return new CountRenderer();
}

class CountRenderer implements DeltaRenderer {
  #tokens = 0;

  headers(): ResponseHeaders {
    return jsonHeaders();
  }

  delta(delta: Delta): undefined {
    if (delta.kind === 'usage') this.#tokens = delta.usage.promptTokens ?? this.#tokens;
  }

  end(): Buffer {
    return Buffer.from(JSON.stringify({ input_tokens: this.#tokens }), 'utf8');
  }

  error(): undefined {
    return undefined;
  }
}
