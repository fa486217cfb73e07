import type { AnyPlugin } from '../core/api/define.js';

/** Every plugin that ships with the gateway, filters apart. */
export const BUILT_IN_PLUGINS: readonly AnyPlugin[] = [];
