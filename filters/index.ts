import type { AnyPlugin } from '../core/api/define.js';

/** Every filter that ships with the gateway. The order means nothing; the chain is written in YAML. */
export const BUILT_IN_FILTERS: readonly AnyPlugin[] = [];
