import type { FlagSpec } from '../../config/flag-spec.js';
import { FLAGS } from '../../config/flag-table.js';

/** Longest line of a help text. */
export const HELP_COLUMNS = 100;

const COMMANDS: readonly (readonly [string, string])[] = [
  ['smg [run] [-c FILE] [flags]', 'Start the gateway. Without -c: ./gateway.yaml if there is one, else flags only.'],
  ['smg launch … | smg start …', 'The same.'],
  ['smg check [-c FILE] [flags]', 'Check everything, open nothing. 0 when it is good, 78 when not.'],
  ['smg config print [--chain] [--origin]', 'Show what is in effect, the filter chain, where each value comes from.'],
  ['smg config schema', 'JSON Schema of the file.'],
  ['smg config from-flags -- FLAGS', 'The file that means the same as SMG flags.'],
  ['smg plugins [-c FILE]', 'List the types that can stand in the file.'],
  ['smg sim [options]', 'Start a simulated engine. smg sim --help lists its options.'],
  ['smg --version | --help', ''],
];

const EXAMPLES = [
  'smg -c gateway.yaml',
  'smg --worker-urls http://10.0.0.1:8000 http://10.0.0.2:8000 --policy round_robin --port 30000',
  'smg config from-flags -- --worker-urls http://10.0.0.1:8000 > gateway.yaml',
];

/** The whole help: commands, flags by group, flags that do not work yet. */
export function helpText(): string {
  const lines = ['smg: one endpoint in front of many LLM workers', '', 'Commands:'];
  for (const [command, text] of COMMANDS) lines.push(...twoColumns(command, text, 40));
  lines.push('', 'Configuration:');
  lines.push(...twoColumns('-c, --config FILE', 'The YAML file. Flags are laid over it.', 36));
  for (const [group, flags] of byGroup(FLAGS.filter((flag) => flag.status === 'built' || flag.status === 'accepted'))) {
    if (group !== 'Configuration') lines.push('', `${group}:`);
    for (const flag of flags) lines.push(...twoColumns(usageOf(flag), flag.help, 36));
  }
  lines.push('', 'Flags of SMG that are refused because their feature is not built yet:');
  const planned = FLAGS.filter((flag) => flag.status === 'planned').map((flag) => flag.name);
  lines.push(...wrap(planned.join(' '), HELP_COLUMNS - 2).map((line) => `  ${line}`));
  lines.push('', 'Examples:', ...EXAMPLES.map((example) => `  ${example}`));
  return `${lines.join('\n')}\n`;
}

/** What one flag looks like on a command line. */
function usageOf(flag: FlagSpec): string {
  const value = flag.value === undefined ? '' : ` ${flag.value}${flag.takes === 'many' ? '…' : ''}`;
  return [flag.name, ...(flag.aliases ?? [])].join(', ') + value;
}

function byGroup(flags: readonly FlagSpec[]): Map<string, FlagSpec[]> {
  const groups = new Map<string, FlagSpec[]>();
  // Its heading is already there.
  groups.set('Configuration', []);
  for (const flag of flags) {
    const group = groups.get(flag.group) ?? [];
    group.push(flag);
    groups.set(flag.group, group);
  }
  return groups;
}

/** `left` in a column of `width`, `right` beside it, or below when `left` is too wide. */
function twoColumns(left: string, right: string, width: number): string[] {
  const indent = ' '.repeat(width);
  const body = wrap(right, HELP_COLUMNS - width);
  const head = `  ${left}`;
  if (right === '') return [head];
  if (head.length >= width) return [head, ...body.map((line) => indent + line)];
  return body.map((line, index) => (index === 0 ? head.padEnd(width) : indent) + line);
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
