import { GatewayError } from '../../core/api/index.js';

/** The api that asks how many tokens a request is. */
export const COUNT_TOKENS = 'count_tokens';

/** The refusal of a request whose api the workers of its model do not have, and that nothing can stand in for. */
export function missingApi(api: string): GatewayError {
  if (api === COUNT_TOKENS) {
    const message = 'The workers of this model cannot count tokens';
    return new GatewayError('not_supported_by_provider', message, { details: 'count_tokens_missing' });
  }
  return new GatewayError('endpoint_not_supported', `The workers of this model do not support the ${api} API`, {
    details: 'api_missing_in_engine',
  });
}
