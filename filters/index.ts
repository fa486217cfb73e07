import type { AnyPlugin } from '../core/api/define.js';
import admission from './admission/factory.js';
import auth from './auth/factory.js';
import cors from './cors/factory.js';
import cost from './cost/factory.js';
import credentials from './credentials/factory.js';
import fallback from './fallback/factory.js';
import inference from './inference/factory.js';
import mirror from './mirror/factory.js';
import model from './model/factory.js';
import policy from './policy/factory.js';
import rateLimit from './rate_limit/factory.js';
import requestId from './request_id/factory.js';
import retry from './retry/factory.js';
import split from './split/factory.js';
import telemetry from './telemetry/factory.js';
import upstream from './upstream/factory.js';

/** Every filter that ships with the gateway. The order means nothing; the chain is written in YAML. */
export const BUILT_IN_FILTERS: readonly AnyPlugin[] = [
  admission,
  auth,
  cors,
  cost,
  credentials,
  fallback,
  inference,
  mirror,
  model,
  policy,
  rateLimit,
  requestId,
  retry,
  split,
  telemetry,
  upstream,
];
