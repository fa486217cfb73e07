import { ConfigError } from '../../../core/api/errors.js';
import { type SimConfig, type SimConfigInput, simConfigSchema } from './config.js';

/** One flag of `smg sim`. */
export interface SimFlag {
  /** With its dashes. */
  readonly flag: string;
  /** Field of the engine's schema that it sets. */
  readonly path: readonly [keyof SimConfigInput];
  /** What stands for the value in the help; undefined: a switch without value. */
  readonly value: string | undefined;
  /** Text as given, a number, or a list that grows with each use. */
  readonly kind: 'text' | 'number' | 'list' | 'switch' | 'off_switch';
  readonly description: string;
}

/** Every flag of `smg sim`, in the order of the help. */
export const simFlags: readonly SimFlag[] = [
  flag('--port', 'port', 'number', 'N', 'port to listen on (0: a free one)'),
  flag('--host', 'host', 'text', 'HOST', 'address to listen on (127.0.0.1)'),
  flag('--model', 'models', 'list', 'NAME', 'model that it serves; may be repeated (sim)'),
  flag('--runtime', 'runtime', 'text', 'KIND', 'sglang, vllm or openai (sglang)'),
  flag('--name', 'name', 'text', 'NAME', 'name in /sim/state and for worker= in faults (sim)'),
  flag('--api-key', 'api_key', 'text', 'KEY', 'bearer key that inference requests must bring'),
  flag('--ttft', 'ttft', 'text', 'DURATION', 'fixed time to first token, e.g. 200ms (by uncached prompt tokens)'),
  flag('--itl', 'itl', 'text', 'DURATION', 'fixed time between tokens, e.g. 10ms; 0: all at once (by batch size)'),
  flag(
    '--prefill-tokens-per-second',
    'prefill_tokens_per_second',
    'number',
    'N',
    'uncached prompt tokens read per second (8000)',
  ),
  flag('--decode-base', 'decode_base', 'text', 'DURATION', 'decode step before the share of each request (6ms)'),
  flag('--decode-per-request', 'decode_per_request', 'text', 'DURATION', 'added per running request (0.35ms)'),
  flag('--prefill-chunk', 'prefill_chunk_tokens', 'number', 'N', 'prompt tokens per step (2048)'),
  flag('--max-batch', 'max_batch', 'number', 'N', 'requests that run at once (256)'),
  flag('--kv-blocks', 'kv_blocks', 'number', 'N', 'KV memory in blocks (32768)'),
  flag('--kv-block-size', 'kv_block_size', 'number', 'N', 'tokens per block (16)'),
  flag('--no-prefix-cache', 'prefix_cache', 'off_switch', undefined, 'prompts share nothing'),
  flag('--context-length', 'context_length', 'number', 'N', 'longest prompt and answer together, tokens (131072)'),
  flag('--output-tokens', 'output_tokens', 'text', 'RANGE', 'natural length of answers, 64 or 16-128 (16-128)'),
  flag('--text', 'text', 'text', 'MODE', 'words, echo or fixed (words)'),
  flag('--reply', 'reply', 'text', 'TEXT', 'answer of every request'),
  flag('--tool-trigger', 'tool_trigger', 'text', 'WORD', 'word in a prompt that calls a tool (weather)'),
  flag('--seed', 'seed', 'number', 'N', 'changes all made-up text (0)'),
  flag('--instant', 'instant', 'switch', undefined, 'prepared answers at once, for benches'),
  flag('--fault', 'fault', 'text', 'FAULT', 'fault of every request, e.g. "status=503;retry_after=2" or "cut=3"'),
  flag('--fault-rate', 'fault_rate', 'number', 'SHARE', 'share of requests that the fault hits, 0 to 1 (1)'),
];

/** Reads the arguments after `smg sim`. Throws ConfigError that names the flag. `--flag=value` works, too. */
export function parseSimArgs(argv: readonly string[]): SimConfig {
  const settings: Record<string, unknown> = {};
  for (let index = 0; index < argv.length; index++) {
    const [name = '', inline] = splitOnce(argv[index] as string);
    const known = simFlags.find((candidate) => candidate.flag === name);
    if (known === undefined) throw new ConfigError(unknownFlagMessage(name));
    const field = known.path[0];
    if (known.value === undefined) {
      if (inline !== undefined) throw new ConfigError(`${name} takes no value`);
      settings[field] = known.kind === 'switch';
      continue;
    }
    const value = inline ?? argv[index + 1];
    if (value === undefined || (inline === undefined && value.startsWith('--'))) {
      throw new ConfigError(`${name} needs a value: ${name} ${known.value}`, known.path);
    }
    if (inline === undefined) index += 1;
    if (known.kind === 'list') settings[field] = [...((settings[field] as string[] | undefined) ?? []), value];
    else settings[field] = known.kind === 'number' ? readNumber(known, value) : value;
  }
  const checked = simConfigSchema.safeParse(settings);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  const field = issue?.path[0];
  const culprit = simFlags.find((candidate) => candidate.path[0] === field);
  throw new ConfigError(`${culprit?.flag ?? String(field)}: ${issue?.message ?? 'not valid'}`, culprit?.path ?? []);
}

/** Help of `smg sim`. */
export function simHelp(): string {
  const rows = simFlags.map(({ flag: name, value, description }) => {
    const usage = value === undefined ? name : `${name} ${value}`;
    return `  ${usage.padEnd(33)} ${description}`;
  });
  return [
    'smg sim: an inference engine without a model, for trying and testing a gateway.',
    '',
    'Usage: smg sim --port 9001 --model llama-3.1-8b [flags]',
    '',
    ...rows,
    '',
    'A request can bring its own x-sim-fault, x-sim-output-tokens, x-sim-ttft and x-sim-itl (ms) headers.',
    '',
  ].join('\n');
}

function flag(
  name: string,
  field: keyof SimConfigInput,
  kind: SimFlag['kind'],
  value: string | undefined,
  description: string,
): SimFlag {
  return { flag: name, path: [field], kind, value, description };
}

function splitOnce(argument: string): [string, string | undefined] {
  const equals = argument.indexOf('=');
  return equals < 0 ? [argument, undefined] : [argument.slice(0, equals), argument.slice(equals + 1)];
}

function readNumber(known: SimFlag, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new ConfigError(`${known.flag}: '${text}' is not a number`, known.path);
}

function unknownFlagMessage(name: string): string {
  let best: string | undefined;
  let bestDistance = 4;
  for (const { flag: candidate } of simFlags) {
    const distance = editDistance(name, candidate);
    if (distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return `unknown flag '${name}' of smg sim${best === undefined ? '' : `; did you mean ${best}?`}`;
}

/** Insertions, deletions and replacements between two short texts. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
