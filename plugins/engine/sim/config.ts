import * as z from 'zod';
import { parseFault } from './fault.js';

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

/** A duration in ms: a number, or text with a unit (`6ms`, `1.5s`, `2m`). */
const durationMs = z.union([z.number(), z.string()]).transform((value, context) => {
  const parts = typeof value === 'number' ? [value, value, 'ms'] : /^(\d+(?:\.\d+)?)\s*(ms|s|m)?$/.exec(value);
  const ms = parts === null ? Number.NaN : Number(parts[1]) * (UNITS_MS[parts[2] ?? 'ms'] ?? Number.NaN);
  if (ms >= 0 && Number.isFinite(ms)) return ms;
  context.addIssue({ code: 'custom', message: 'not a duration: write 6ms, 1.5s or a number of ms' });
  return z.NEVER;
});

const faultText = z.string().superRefine((text, context) => {
  const fault = parseFault(text);
  if (typeof fault === 'string') context.addIssue({ code: 'custom', message: fault });
});

const share = z.number().min(0).max(1);
const positive = z.int().positive();

/** Natural length of answers: `64`, or `16-128`. */
const tokenRange = z.union([positive, z.string()]).transform((value, context) => {
  const parts = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(String(value));
  const min = Number(parts?.[1]);
  const max = Number(parts?.[2] ?? parts?.[1]);
  if (parts !== null && min >= 1 && max >= min) return { min, max };
  context.addIssue({ code: 'custom', message: 'not a number of tokens: write 64 or 16-128' });
  return z.NEVER;
});

/** Settings of one simulated engine. */
export const simConfigSchema = z.strictObject({
  name: z.string().min(1).default('sim').describe('Name in answers of `/sim/state` and for `worker=` in faults.'),
  host: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
  port: z.int().min(0).max(65_535).default(0).describe('Port to listen on; 0 takes a free one.'),
  models: z
    .array(z.string().min(1))
    .min(1)
    .default(['sim'])
    .describe('Model names that it serves; the first is the default.'),
  runtime: z
    .enum(['sglang', 'vllm', 'openai'])
    .default('sglang')
    .describe('Engine that it imitates: endpoints, field names and error bodies.'),
  api_key: z
    .string()
    .min(1)
    .meta({ 'x-secret': true })
    .optional()
    .describe('Bearer key that inference requests must bring. Secret.'),
  seed: z.int().default(0).describe('Changes all made-up text and every random choice.'),
  context_length: positive.default(131_072).describe('Longest prompt and answer together, tokens.'),
  instant: z
    .boolean()
    .default(false)
    .describe('Answers at once from prepared bytes: no scheduler, no prefix cache, approximate usage. For benches.'),
  output_tokens: tokenRange
    .prefault('16-128')
    .describe('Natural length of an answer in tokens, `64` or `16-128` (spread evenly on a logarithmic scale).'),
  text: z
    .enum(['words', 'echo', 'fixed'])
    .optional()
    .describe('Answer text: made-up words (default), the last user text, or `reply` (default when that is given).'),
  reply: z.string().optional().describe('Text of every answer in `fixed` mode.'),
  tool_trigger: z
    .string()
    .default('weather')
    .describe('A prompt with this word calls a tool, when the request brings tools; empty: only when it must.'),
  prefill_tokens_per_second: z.number().positive().default(8_000).describe('Uncached prompt tokens read per second.'),
  decode_base: durationMs.prefault('6ms').describe('Duration of a decode step before the share of each request.'),
  decode_per_request: durationMs.prefault(0.35).describe('Added to a decode step per running request.'),
  prefill_chunk_tokens: positive.default(2_048).describe('Prompt tokens per step over the whole batch.'),
  ttft: durationMs.optional().describe('Fixed time to first token, in place of the model above.'),
  itl: durationMs.optional().describe('Fixed time between two tokens, in place of the model above; 0: all at once.'),
  max_batch: positive.default(256).describe('Requests that run at once; others wait.'),
  kv_blocks: positive.default(32_768).describe('KV memory in blocks.'),
  kv_block_size: positive.max(1_024).default(16).describe('Tokens per KV block.'),
  kv_high_watermark: share.default(0.92).describe('Share of blocks above which idle cache is evicted.'),
  kv_low_watermark: share.default(0.85).describe('Share of blocks down to which it is evicted then.'),
  prefix_cache: z.boolean().default(true).describe('Whether prompts share computed blocks.'),
  kv_events: z.boolean().default(false).describe('Whether changes of the prefix cache are recorded for subscribers.'),
  fault: faultText.optional().describe('Fault of every inference request, e.g. `status=503;retry_after=2`, `cut=3`.'),
  fault_rate: share.default(1).describe('Share of requests that `fault` hits, 0 to 1.'),
});

/** Checked settings; durations in ms. */
export type SimConfig = z.output<typeof simConfigSchema>;
/** Settings as written in YAML; everything has a default. */
export type SimConfigInput = z.input<typeof simConfigSchema>;
