import * as z from 'zod';
import type { PluginCatalog } from './catalog.js';
import { gatewaySchema } from './gateway.js';

type JsonSchema = { [key: string]: unknown; properties?: Record<string, JsonSchema> };

/** What may stand in place of the canonical form, by path in the schema. */
const SHORTHAND: readonly (readonly [readonly string[], JsonSchema])[] = [
  [['include'], { type: 'string' }],
  [['listeners'], { type: 'integer' }],
  [['listeners', 'items'], { type: 'integer' }],
  [['filters', 'items'], { type: 'string' }],
  [['clusters'], { type: 'array', items: { type: 'string' } }],
  [['clusters', 'items', 'properties', 'workers', 'items'], { type: 'string' }],
  [['policies', 'additionalProperties'], { type: 'string' }],
  [['routes', 'items', 'properties', 'filters', 'additionalProperties'], { enum: ['off', false] }],
  [
    ['routes', 'items', 'properties', 'fallback'],
    {
      type: 'array',
      items: {
        anyOf: [
          { type: 'string' },
          {
            type: 'object',
            properties: {
              cluster: { type: 'string', description: 'Name of the cluster.' },
              model: { type: 'string', description: 'Model that is asked for there.' },
            },
            required: ['cluster'],
            additionalProperties: false,
          },
        ],
      },
    },
  ],
  [['plugins', 'items'], { type: 'string' }],
  [['auth'], { type: 'string' }],
  [['cost'], { enum: [true, false, 'on', 'off'] }],
  [['clusters', 'items', 'properties', 'drain'], { type: 'string' }],
  [['resilience', 'properties', 'drain'], { type: 'string' }],
  [['limits', 'properties', 'concurrency'], { type: 'integer' }],
  [['limits', 'properties', 'rate'], { type: 'string' }],
  [['limits', 'properties', 'address'], { type: 'string' }],
];

/** Names that the loader fills in. */
const FILLED_IN: readonly (readonly string[])[] = [
  ['listeners', 'items'],
  ['clusters', 'items'],
  ['routes', 'items'],
];

/** Blocks whose shape is that of a filter's config. */
const BLOCKS: readonly (readonly [path: readonly string[], filter: string, property?: string])[] = [
  [['auth'], 'auth'],
  [['cors'], 'cors'],
  [['cost'], 'cost'],
  [['telemetry', 'properties', 'request_id'], 'request_id'],
  [['resilience', 'properties', 'retry'], 'retry'],
  [['routes', 'items', 'properties', 'retry'], 'retry'],
  [['routes', 'items', 'properties', 'fallback'], 'fallback'],
  [['limits', 'properties', 'concurrency'], 'admission'],
  [['limits', 'properties', 'rate'], 'rate_limit', 'global'],
  [['limits', 'properties', 'address'], 'rate_limit', 'address'],
  [['limits', 'properties', 'tenants'], 'rate_limit', 'tenants'],
  [['tenants'], 'rate_limit', 'identity'],
];

/** Blocks that may also be `off`. */
const MAY_BE_OFF: readonly string[] = ['retry', 'fallback', 'concurrency', 'rate', 'address'];

/** JSON Schema (2020-12) of the file as it may be written: shorthand included, defaults shown, plugins by the catalog. */
export function configJsonSchema(catalog: PluginCatalog | undefined): object {
  const schema = toJson(gatewaySchema);
  const properties = schema.properties as Record<string, JsonSchema>;
  if (catalog !== undefined) addPlugins(properties, catalog);
  for (const path of FILLED_IN) {
    const node = at(properties, path);
    node.required = (node.required as string[]).filter((key) => key !== 'name');
    if ((node.required as string[]).length === 0) delete node.required;
  }
  // Deepest first: a replaced node has another shape above what is inside of it.
  for (const [path, alternative] of [...SHORTHAND].sort((a, b) => b[0].length - a[0].length)) {
    replace(properties, path, (node) => ({
      description: node.description,
      anyOf: [alternative, without(node, 'description')],
    }));
  }
  const placeholder = `Any value may be $NAME, $file:PATH or hold \${NAME}.`;
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'smg gateway.yaml',
    description: `Configuration of smg. ${placeholder}`,
    type: 'object',
    properties,
    patternProperties: { '^x-': { description: 'Free, for anchors and notes.' } },
    additionalProperties: false,
  };
}

function addPlugins(properties: Record<string, JsonSchema>, catalog: PluginCatalog): void {
  const configOf = (kind: 'filter' | 'policy' | 'engine' | 'discovery', type: string): JsonSchema | undefined => {
    const plugin = catalog.get(kind, type);
    return plugin === undefined ? undefined : toJson(plugin.configSchema);
  };
  for (const [path, filter, property] of BLOCKS) {
    const whole = configOf('filter', filter);
    const config = property === undefined ? whole : whole?.properties?.[property];
    if (config === undefined) continue;
    replace(properties, path, (node) =>
      MAY_BE_OFF.includes(path.at(-1) as string)
        ? { description: node.description, anyOf: [{ enum: ['off', false] }, config] }
        : { ...config, description: node.description },
    );
  }
  const filterItem = at(properties, ['filters', 'items']);
  filterItem.allOf = [...catalog.types('filter')].sort().map((type) => ({
    if: {
      anyOf: [
        { properties: { type: { const: type } }, required: ['type'] },
        { properties: { name: { const: type }, type: false }, required: ['name'] },
      ],
    },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { properties: { config: configOf('filter', type) } },
  }));
  const engine = at(properties, ['clusters', 'items', 'properties', 'engine']);
  engine.allOf = [...catalog.types('engine')].sort().map((type) => ({
    if: { properties: { type: { const: type } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { properties: { config: configOf('engine', type) } },
  }));
  replace(properties, ['clusters', 'items', 'properties', 'discovery'], (node) => ({
    description: node.description,
    type: 'object',
    properties: Object.fromEntries(
      [...catalog.types('discovery')].sort().map((type) => [type, configOf('discovery', type) as JsonSchema]),
    ),
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
  }));
}

function toJson(schema: z.ZodType): JsonSchema {
  const json = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      // Our own notes on units and secrets are for the printer.
      const node = jsonSchema as Record<string, unknown>;
      if (node['x-secret'] === true) node.writeOnly = true;
      delete node['x-secret'];
      delete node['x-unit'];
    },
  }) as JsonSchema;
  delete json.$schema;
  return json;
}

function at(properties: Record<string, JsonSchema>, path: readonly string[]): JsonSchema {
  let node = properties as unknown as JsonSchema;
  for (const step of path) node = node[step] as JsonSchema;
  return node;
}

function replace(
  properties: Record<string, JsonSchema>,
  path: readonly string[],
  change: (node: JsonSchema) => JsonSchema,
): void {
  const parent = at(properties, path.slice(0, -1));
  const key = path.at(-1) as string;
  parent[key] = change(parent[key] as JsonSchema);
}

function without(node: JsonSchema, key: string): JsonSchema {
  const { [key]: _gone, ...rest } = node;
  return rest;
}
