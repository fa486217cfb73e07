import { formatIssues } from '../../config/config-errors.js';
import { formatPath, locate } from '../../config/config-node.js';
import type { LoadedConfig } from '../../config/loader.js';
import type { ConfigError } from '../api/errors.js';

/** A refusal that came while building, at the place of its path where that is known. */
export function locatedConfigError(error: ConfigError, loaded: LoadedConfig | undefined): string {
  if (loaded === undefined) return `smg: ${error.message}`;
  const located = locate(loaded.tree, error.path);
  const path = formatPath(located.path);
  return formatIssues([{ origin: located.node.origin, path, message: error.message }]);
}
