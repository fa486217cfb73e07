import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderPage } from './page.js';

// Run by hand after a change of the cases: `npm run docs:matrix`. With --check it only compares.
const path = fileURLToPath(new URL('../../../docs/provider-matrix.md', import.meta.url));
const page = renderPage();
if (!process.argv.includes('--check')) writeFileSync(path, page);
else if (readFileSync(path, 'utf8') !== page) {
  console.error('docs/provider-matrix.md is not what the cases say: npm run docs:matrix');
  process.exitCode = 1;
}
