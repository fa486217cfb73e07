import { CASES, type Case, type Cell, CLIENTS, type ClientName, WORKERS, type WorkerName } from './cases.js';

const CLIENT_TITLES: Readonly<Record<ClientName, string>> = {
  chat: '`POST /v1/chat/completions`, asked by the `openai` package',
  messages: '`POST /v1/messages`, asked by `@anthropic-ai/sdk`',
};
const WORKER_TITLES: Readonly<Record<WorkerName, string>> = {
  openai: 'OpenAI',
  xai: 'xAI',
  anthropic: 'Anthropic',
  gemini: 'Gemini',
  engine: 'engine (SGLang)',
};

const HEAD = `# Clients, providers, features

Made from the cases of \`test/e2e/provider-matrix\` by \`npm run docs:matrix\`; do not edit. Every cell is a test: the vendor's SDK
asks the gateway, behind which stand fakes of the providers that refuse what the real ones refuse, and a simulated engine.
Answers are compared whole and streamed: what the SDK puts together from a stream equals the answer that was not streamed.

- **yes**: what was asked reached the provider in its own words, and its answer came back in the client's
- **passed on**: it reached the worker, which makes of it what it can
- a code: refused with it, before the provider is asked
- –: nothing to ask for: the client's API has no such thing, or the provider has not
`;

/** docs/provider-matrix.md. */
export function renderPage(): string {
  return [HEAD, ...CLIENTS.map(tableOf), `## What each row proves\n\n${CASES.map(meaningOf).join('\n')}\n`].join('\n');
}

function tableOf(client: ClientName): string {
  const rows = [
    ['', ...WORKERS.map((name) => WORKER_TITLES[name])],
    ...CASES.map(({ title, cells }) => [title, ...WORKERS.map((name) => wordOf(cells[client][name]))]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) => `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`);
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return `## ${CLIENT_TITLES[client]}\n\n${[lines[0], rule, ...lines.slice(1)].join('\n')}\n`;
}

function wordOf(cell: Cell): string {
  if (typeof cell === 'object') return `\`${cell.refused}\``;
  return { works: 'yes', forwarded: 'passed on', absent: '–' }[cell];
}

function meaningOf({ title, proves, ways }: Case): string {
  const how = ways.length === 2 ? '' : ` (${ways[0] === 'whole' ? 'not streamed' : 'streamed'})`;
  return `- ${title}${how}: ${proves}`;
}
