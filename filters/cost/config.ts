import * as z from 'zod';

/** Six decimals are whole millionths of a millionth per token, so that sums are exact. */
const PRICE = /^\d+(?:\.\d{1,6})?$/;

const price = z
  .number()
  .min(0)
  .max(1_000_000)
  .refine((value) => PRICE.test(String(value)), 'must have at most 6 decimals');

const rateFields = {
  input: price.describe('Tokens of the prompt that no other class has.'),
  cached_input: price.optional().describe('Read from a cache. Default: input.'),
  cache_write: price.optional().describe('Written to a cache. Default: input.'),
  cache_write_1h: price.optional().describe('Written to a cache for an hour. Default: cache_write.'),
  audio_input: price.optional().describe('Sound in the prompt. Default: input.'),
  output: price.describe('Tokens of the answer, reasoning included.'),
  reasoning: price.optional().describe('Reasoning, where it has a price of its own. Default: output.'),
  audio_output: price.optional().describe('Sound in the answer. Default: output.'),
};

/** Prices of one model, per million tokens. */
export const ratesSchema = z.strictObject({
  ...rateFields,
  above: z
    .array(
      z.strictObject({
        input_tokens: z.int().min(1).describe('Longer prompts have these prices, for all their tokens.'),
        ...rateFields,
      }),
    )
    .max(10)
    .default([])
    .describe('Prices of long prompts. Default none.'),
});

export type Rates = z.output<typeof ratesSchema>;

const modelPrices = z.record(z.string().min(1).max(200), ratesSchema);

/** A price table: the built-in one, and those of users. */
export const priceTableSchema = z.strictObject({
  as_of: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a date, YYYY-MM-DD')
    .describe('The day on which these prices held; stands in the access log.'),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code')
    .default('USD')
    .describe('Currency of the prices. Default USD.'),
  models: modelPrices.default({}).describe('Models of any worker: name or pattern with `*` → prices.'),
  providers: z
    .record(z.string().min(1), modelPrices)
    .default({})
    .describe('Models of one cloud API: provider → name or pattern → prices.'),
});

export type PriceTableSettings = z.output<typeof priceTableSchema>;

export const configSchema = z.strictObject({
  enabled: z
    .boolean()
    .optional()
    .describe('Account for requests. Default: when there is any other setting, or a model with `cost`.'),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code')
    .default('USD')
    .describe('Currency of the costs; price tables in another are refused, the built-in one is left out. Default USD.'),
  prices: z
    .union([priceTableSchema, z.string().min(1)])
    .optional()
    .describe('Prices that go before the built-in ones: a table, or its YAML text by `$file:prices.yaml`.'),
  built_in: z.boolean().default(true).describe('Use the price table that comes with the gateway. Default true.'),
  models: modelPrices.default({}).describe('Prices of single models, before all tables. Short form: models.NAME.cost.'),
  header: z.boolean().default(false).describe('Answers that are not streamed say what they cost. Default false.'),
});

export type CostSettings = z.output<typeof configSchema>;

/** Whether there is anything to do. `enabled` decides where it is stated. */
export function isEnabled(settings: CostSettings): boolean {
  const { enabled, prices, models, header } = settings;
  return enabled ?? (prices !== undefined || header || Object.keys(models).length > 0);
}
