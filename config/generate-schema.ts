import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createBuiltInCatalog } from '../core/di/plugin-loader.js';
import { configJsonSchema } from './json-schema.js';

// Run by hand after a change of any schema: `npm run schema`. With --check it only compares.
const path = fileURLToPath(new URL('./schema.json', import.meta.url));
const text = `${JSON.stringify(configJsonSchema(createBuiltInCatalog()), undefined, 2)}\n`;
if (!process.argv.includes('--check')) writeFileSync(path, text);
else if (readFileSync(path, 'utf8') !== text) {
  console.error('config/schema.json is not what the schemas say: npm run schema');
  process.exitCode = 1;
}
