import * as z from 'zod';
import type { TranslationRules } from './translated-apis.js';

/** How clients of the Messages API reach a worker that speaks OpenAI's. */
export const messagesSetting = z
  .enum(['auto', 'native', 'translate'])
  .default('auto')
  .describe(
    'Requests of the Messages API: forwarded (native), sent to its chat API (translate), or forwarded until the worker says that it has no such endpoint (auto). Default auto.',
  );

/** What the setting means. Text completions of such workers are always their own. */
export function messagesRules(messages: z.output<typeof messagesSetting>): TranslationRules {
  return {
    always: messages === 'translate' ? ['messages'] : [],
    whereMissing: messages === 'auto' ? ['messages'] : [],
  };
}
