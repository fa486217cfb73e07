import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createBuiltInCatalog } from '../core/di/plugin-loader.js';
import { configJsonSchema } from './json-schema.js';

// Run by hand after a change of any schema: `node --import tsx config/generate-schema.ts`. A test compares the result.
const path = fileURLToPath(new URL('./schema.json', import.meta.url));
writeFileSync(path, `${JSON.stringify(configJsonSchema(createBuiltInCatalog()), undefined, 2)}\n`);
