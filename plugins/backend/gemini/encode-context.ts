import type { ToolNames } from '../translate/tool-names.js';
import type { UnsupportedParams } from '../translate/unsupported-params.js';
import type { GeminiFeatures } from './model-features.js';
import type { GeminiSettings } from './settings.js';
import type { ThoughtSignatures } from './thought-signatures.js';

/** What the parts of one request's encoding share. */
export interface EncodeContext {
  readonly settings: GeminiSettings;
  readonly features: GeminiFeatures;
  readonly names: ToolNames;
  readonly unsupported: UnsupportedParams;
  readonly signatures: ThoughtSignatures;
}
