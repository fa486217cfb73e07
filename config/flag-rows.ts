import type { FlagSpec } from './flag-spec.js';
import { asText, type FlagTransform } from './flag-values.js';

/** A flag with one value, which `transform` turns into what stands at `path`. */
export function built(
  group: string,
  name: string,
  value: string,
  path: readonly string[],
  transform: FlagTransform,
  help: string,
): FlagSpec {
  return { name, group, takes: 'one', value, help, status: 'built', path, transform };
}

/** A flag with any number of values: a list of texts at `path`. */
export function many(group: string, name: string, value: string, path: readonly string[], help: string): FlagSpec {
  return { name, group, takes: 'many', value, help, status: 'built', path, transform: asText };
}

/** A flag without a value: `constant` stands at `path`. */
export function toggle(
  group: string,
  name: string,
  path: readonly string[],
  constant: string | boolean,
  help: string,
): FlagSpec {
  return { name, group, takes: 'none', help, status: 'built', path, constant };
}

/** A flag that is taken and changes nothing. */
export function accepted(group: string, name: string, help: string): FlagSpec {
  return { name, group, takes: 'none', help, status: 'accepted' };
}
