import { isDeepStrictEqual } from 'node:util';
import { Document, isScalar, type Scalar, visit } from 'yaml';
import type { RequestMatch } from '../core/api/request-match.js';
import { type ConfigNode, formatOrigin, locate } from './config-node.js';
import { expandFilterChain } from './filter-chain.js';
import {
  type FilterConfig,
  type GatewayConfig,
  gatewaySchema,
  type PolicyConfig,
  type RouteConfig,
} from './gateway.js';
import type { LoadedConfig } from './loader.js';
import { formatByteSize, formatDuration } from './scalars.js';
import { metaAt } from './schema-walk.js';
import { redactUrls, Secret } from './secret.js';

type Plain = Record<string, unknown>;

/**
 * The effective configuration as YAML in canonical form: no shorthand, no presets, every default written out. Secrets
 * are `***`; apart from them, loading the text gives the same configuration again.
 * @param options.origin put the place of each value behind it.
 */
export function canonicalYaml(loaded: LoadedConfig, options: { readonly origin?: boolean } = {}): string {
  const document = new Document(canonicalObject(loaded.config));
  if (options.origin === true) addOrigins(document, loaded);
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

/** The same as plain values: units written, secrets replaced. */
export function canonicalObject(config: GatewayConfig): Plain {
  const policies: Plain = {};
  const clusters = config.clusters.map(({ policy, engine, discovery, providers: _shared, ...cluster }) => ({
    ...cluster,
    policy: policyReference(policy, policies),
    engine: engine === undefined ? undefined : { type: engine.type, count: engine.count, config: engine.config },
    discovery: discovery === undefined ? undefined : { [discovery.type]: discovery.config },
  }));
  const filters = config.filters.map((filter) => {
    const settings = ownSettings(filter, config);
    const { name, type, match } = filter;
    return { name, type, config: Object.keys(settings).length > 0 ? settings : undefined, match };
  });
  const routes = config.routes.map((route) => {
    const entries = route.filters.map(({ name, disabled, config: settings }) => [name, { disabled, config: settings }]);
    return { ...route, filters: Object.fromEntries(entries) as Plain };
  });
  const { version, defaults, listeners, models, telemetry, plugins, admin, runtime } = config;
  const all = {
    version,
    defaults,
    listeners: listeners.map(({ kind, name, host, port, ...rest }) =>
      kind === 'probe' ? { kind, name, host, port } : { name, host, port, ...rest },
    ),
    filters,
    routes,
    clusters,
    policies,
    providers: Object.fromEntries(
      config.providers.map(({ name, backend: _type, config: settings, ...own }) => [name, { ...own, ...settings }]),
    ),
    models,
    telemetry,
    plugins,
    admin,
    runtime,
  };
  return canonicalValue(all, []) as Plain;
}

/** Settings without those that say what a printed top-level block says as well. */
function ownSettings({ name, config: settings }: FilterConfig, config: GatewayConfig): Plain {
  const fromBlocks: Plain = {};
  if (name === 'telemetry') fromBlocks.access_log = config.telemetry.logs.access;
  if (name === 'model') fromBlocks.aliases = config.models.aliases;
  if (name === 'cost') fromBlocks.models = modelPrices(config);
  const own = Object.entries(settings).filter(([key, value]) => !isDeepStrictEqual(value, fromBlocks[key]));
  return Object.fromEntries(own.filter(([key]) => name !== 'model' || key !== 'routes'));
}

function modelPrices({ models }: GatewayConfig): Plain {
  const { aliases: _aliases, ...named } = models;
  const entries = Object.entries(named as Record<string, { cost?: unknown }>);
  return Object.fromEntries(entries.flatMap(([name, { cost }]) => (cost === undefined ? [] : [[name, cost]])));
}

/** A policy with settings of its own goes under `policies:`. */
function policyReference(policy: PolicyConfig, policies: Plain): unknown {
  const settings = { type: policy.type, ...policy.config };
  if (policy.name !== policy.type) {
    policies[policy.name] = settings;
    return policy.name;
  }
  return Object.keys(policy.config).length > 0 ? settings : policy.type;
}

function canonicalValue(value: unknown, path: readonly (string | number)[]): unknown {
  if (value instanceof Secret) return String(value);
  if (Array.isArray(value)) return value.map((item, index) => canonicalValue(item, [...path, index]));
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, child]) => child !== undefined);
    return Object.fromEntries(entries.map(([key, child]) => [key, canonicalValue(child, [...path, key])]));
  }
  if (typeof value === 'string') return redactUrls(value).replaceAll('$', '$$$$');
  if (typeof value !== 'number') return value;
  const unit = metaAt(gatewaySchema, path, 'x-unit');
  if (unit === 'duration') return formatDuration(value);
  return unit === 'bytes' ? formatByteSize(value) : value;
}

/** Puts ` # gateway.yaml:3:5` behind every value; `default` where nobody wrote one. */
function addOrigins(document: Document, { tree }: LoadedConfig): void {
  const chain = expandFilterChain(tree).items;
  const originOf = (path: readonly (string | number)[]): string => {
    const item = path[0] === 'filters' ? chain[Number(path[1])] : undefined;
    if (item !== undefined && path[2] !== 'config') return formatOrigin(item.origin);
    const root: ConfigNode = item?.config ?? tree;
    const located = locate(root, item === undefined ? path : path.slice(3));
    return located.exact || located.node.kind === 'scalar' ? formatOrigin(located.node.origin) : 'default';
  };
  visit(document, {
    Scalar(key, node, ancestors) {
      if (key === 'key') return;
      const path = pathOf(document, node, ancestors as readonly unknown[], key);
      node.comment = ` ${originOf(path)}`;
    },
  });
}

/** Keys and indexes from the top of the document to a value. */
function pathOf(
  document: Document,
  node: Scalar,
  ancestors: readonly unknown[],
  key: number | 'key' | 'value' | null,
): (string | number)[] {
  const path: (string | number)[] = [];
  const line = [...ancestors.filter((ancestor) => ancestor !== document), node];
  for (let depth = 0; depth + 1 < line.length; depth++) {
    const parent = line[depth] as { items?: unknown[]; key?: unknown };
    const child = line[depth + 1];
    if (parent.items !== undefined && !isPair(child)) path.push(parent.items.indexOf(child));
    else if (isPair(parent)) path.push(String(isScalar(parent.key) ? parent.key.value : parent.key));
  }
  return key === null ? [] : path;
}

function isPair(value: unknown): value is { key: unknown } {
  return typeof value === 'object' && value !== null && 'key' in value && 'value' in value && !('items' in value);
}

/** The chain as a list for people, then each route with what it changes and the chain below the point where they part. */
export function printChain(loaded: LoadedConfig): string {
  const { config } = loaded;
  const width = Math.max(...config.filters.map((filter) => filter.name.length));
  const lines = ['filters, top to bottom:'];
  config.filters.forEach((filter, index) => {
    const type = filter.type === filter.name ? '' : ` (${filter.type})`;
    const settings = Object.keys(filter.config).join(', ');
    const place = formatOrigin(filter.origin);
    const detail = settings === '' ? '' : `  sets ${settings}`;
    const only = filter.match === undefined ? '' : `  only for ${matchText(filter.match)}`;
    lines.push(`${String(index + 1).padStart(4)}  ${filter.name.padEnd(width)}${type}  ${place}${detail}${only}`);
  });
  for (const route of config.routes) {
    lines.push(`route ${route.name}: ${matchText(route.match)} → cluster ${route.cluster}`);
    if (route.filters.length === 0) continue;
    for (const { name, disabled, config: settings } of route.filters) {
      const sets = Object.keys(settings ?? {}).join(', ');
      lines.push(`      ${name}: ${disabled ? 'left out' : sets === '' ? 'as it is' : `sets ${sets}`}`);
    }
    lines.push(`      chain: ${routeChain(route, config).join(' → ')}`);
  }
  const clusters = config.clusters.map((cluster) => cluster.name).join(', ');
  lines.push(`otherwise: by model → ${clusters || 'no cluster'}`);
  return `${lines.join('\n')}\n`;
}

/** Names of the filters of a route; `*` behind those that it has for itself. */
function routeChain(route: RouteConfig, config: GatewayConfig): string[] {
  return config.filters.flatMap(({ name }) => {
    const change = route.filters.find((each) => each.name === name);
    if (change?.disabled === true) return [];
    return change?.config === undefined ? [name] : [`${name}*`];
  });
}

function matchText({ any, ...condition }: RequestMatch): string {
  const parts = Object.entries(condition).filter(([, value]) => value !== undefined);
  const texts = parts.map(([key, value]) => `${key}=${redactUrls(JSON.stringify(value))}`);
  if (any !== undefined) texts.push(`any of (${any.map(matchText).join(' | ')})`);
  return texts.length === 0 ? 'everything' : texts.join(' ');
}
