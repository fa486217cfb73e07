import { accepted, built, many, toggle } from './flag-rows.js';
import type { FlagSpec } from './flag-spec.js';
import {
  asAdministratorKey,
  asBackend,
  asBytes,
  asConcurrency,
  asCountOrNone,
  asDiscoveryProvider,
  asFileReference,
  asOneOf,
  asPerSecond,
  asPort,
  asPositiveSeconds,
  asProbeListener,
  asSeconds,
  asTenantKey,
  asText,
} from './flag-values.js';
import { PLANNED_FLAGS } from './planned-flags.js';
import { RESILIENCE_FLAGS } from './resilience-flags.js';

const MAIN = ['listeners', 'main'];
const CLI = ['clusters', 'cli'];
const LIMITS = [...MAIN, 'limits'];
const CONCURRENCY = ['limits', 'concurrency'];
const PROMETHEUS = ['telemetry', 'metrics', 'prometheus'];

const WORKERS = 'Listener and workers';
const LOGS = 'Logging and metrics';
const REQUESTS = 'Request handling';
const PROTECTION = 'Limits';
const SECURITY = 'TLS and auth';
const ROUTING = 'Routing';

/** The flags whose feature exists. */
const BUILT_FLAGS: readonly FlagSpec[] = [
  built(WORKERS, '--host', 'ADDRESS', [...MAIN, 'host'], asText, 'Name or IP address to listen on. Default 0.0.0.0.'),
  built(WORKERS, '--port', 'PORT', [...MAIN, 'port'], asPort, 'Port to listen on; 0 takes a free one. Default 30000.'),
  built(
    WORKERS,
    '--health-check-port',
    'PORT',
    ['listeners', 'probe'],
    asProbeListener,
    'Port for probes alone, on its own thread; 0 = free.',
  ),
  many(WORKERS, '--worker-urls', 'URL', [...CLI, 'workers'], 'Workers, http:// or https://.'),
  {
    name: '--discovery-provider',
    group: WORKERS,
    takes: 'one',
    value: 'KIND',
    help: 'Where workers are found: file.',
    status: 'built',
    transform: asDiscoveryProvider,
  },
  built(
    WORKERS,
    '--discovery-file',
    'FILE',
    [...CLI, 'discovery', 'file', 'path'],
    asText,
    'List of workers, JSON or YAML, followed as it changes.',
  ),
  built(
    WORKERS,
    '--discovery-check-interval-secs',
    'SECONDS',
    [...CLI, 'discovery', 'file', 'check_interval'],
    asPositiveSeconds,
    'Period of a look at that file. Default 30.',
  ),
  built(
    WORKERS,
    '--worker-startup-timeout-secs',
    'SECONDS',
    [...CLI, 'startup', 'timeout'],
    asPositiveSeconds,
    'Time in which a worker is to come up. Default 1800.',
  ),
  built(
    WORKERS,
    '--worker-startup-delay',
    'SECONDS',
    [...CLI, 'startup', 'delay'],
    asSeconds,
    'Time before its first check. Default 0.',
  ),
  built(
    WORKERS,
    '--worker-startup-check-interval',
    'SECONDS',
    [...CLI, 'startup', 'check_every'],
    asPositiveSeconds,
    'Longest pause between checks until it is up. Default 5.',
  ),
  built(ROUTING, '--policy', 'POLICY', [...CLI, 'policy'], asText, 'How a worker is chosen. Default power_of_two.'),
  {
    ...built(
      WORKERS,
      '--backend',
      'KIND',
      CLI,
      asBackend,
      'Cloud API: openai (any, by its address), anthropic, gemini, xai, azure; or an engine, which is found out.',
    ),
    aliases: ['--runtime'],
  },
  toggle(ROUTING, '--dp-aware', [...CLI, 'dp', 'aware'], true, 'Choose the data-parallel rank of engines.'),
  toggle(
    ROUTING,
    '--dp-minimum-tokens-scheduler',
    [...CLI, 'dp', 'scheduler'],
    'min_tokens',
    'Choose the rank with the fewest outstanding tokens.',
  ),
  accepted(ROUTING, '--enable-igw', 'Several models; always on.'),
  {
    name: '--model-alias',
    group: ROUTING,
    takes: 'repeat',
    value: 'ALIAS=MODEL',
    help: 'Another name of a model.',
    status: 'built',
    path: ['models', 'aliases'],
  },
  built(
    LOGS,
    '--log-level',
    'LEVEL',
    ['telemetry', 'logs', 'level'],
    asOneOf('trace', 'debug', 'info', 'warn', 'error'),
    'Least important lines that are written. Default info.',
  ),
  toggle(LOGS, '--log-json', ['telemetry', 'logs', 'format'], 'json', 'Log JSON lines instead of text.'),
  built(LOGS, '--prometheus-port', 'PORT', [...PROMETHEUS, 'port'], asPort, 'Metrics port; 0 = free. Default 29000.'),
  built(
    LOGS,
    '--prometheus-host',
    'ADDRESS',
    [...PROMETHEUS, 'host'],
    asText,
    "Metrics address. Default: any of --host's family.",
  ),
  many(
    LOGS,
    '--request-id-headers',
    'HEADER',
    ['telemetry', 'request_id', 'headers'],
    'Headers searched for a request id, in order.',
  ),
  built(
    REQUESTS,
    '--request-timeout-secs',
    'SECONDS',
    [...CLI, 'timeouts', 'request'],
    asPositiveSeconds,
    'Whole request with all its attempts. Default 1800.',
  ),
  built(
    REQUESTS,
    '--upstream-pool-idle-timeout-secs',
    'SECONDS',
    [...CLI, 'pool', 'idle_timeout'],
    asSeconds,
    'Life of unused worker connections; 0 = for ever. Default 3.',
  ),
  built(
    REQUESTS,
    '--shutdown-grace-period-secs',
    'SECONDS',
    ['runtime', 'shutdown', 'grace'],
    asSeconds,
    'Time for open requests at the end. Default 180.',
  ),
  built(
    REQUESTS,
    '--max-payload-size',
    'BYTES',
    [...LIMITS, 'body'],
    asBytes,
    'Largest request body. Default 512 MiB.',
  ),
  built(
    REQUESTS,
    '--stream-body-stall-timeout-secs',
    'SECONDS',
    [...LIMITS, 'body_stall_timeout'],
    asSeconds,
    'Longest stall of a request body; 0 = any. Default 60.',
  ),
  built(
    REQUESTS,
    '--header-read-timeout-secs',
    'SECONDS',
    [...LIMITS, 'head_timeout'],
    asSeconds,
    'Time for a request head; 0 = any. Default 30.',
  ),
  built(
    REQUESTS,
    '--idle-connection-timeout-secs',
    'SECONDS',
    [...LIMITS, 'idle_timeout'],
    asSeconds,
    'Life of idle client connections; 0 = for ever. Default 90.',
  ),
  many(
    REQUESTS,
    '--cors-allowed-origins',
    'ORIGIN',
    ['cors', 'allow_origins'],
    'Origins of browsers; * is any. Default none.',
  ),
  ...RESILIENCE_FLAGS,
  built(
    PROTECTION,
    '--max-concurrent-requests',
    'COUNT',
    [...CONCURRENCY, 'max'],
    asConcurrency,
    'Requests that run at once; -1 = 1024 per core, at least 4096; 0 = any. Default -1.',
  ),
  built(
    PROTECTION,
    '--queue-size',
    'COUNT',
    [...CONCURRENCY, 'queue'],
    asCountOrNone,
    'Requests that may wait; 0 = none. Default 100.',
  ),
  built(
    PROTECTION,
    '--queue-timeout-secs',
    'SECONDS',
    [...CONCURRENCY, 'queue_timeout'],
    asSeconds,
    'Longest wait of a request. Default 60.',
  ),
  built(
    PROTECTION,
    '--rate-limit-tokens-per-second',
    'COUNT',
    ['limits', 'rate'],
    asPerSecond,
    'Requests per second of all clients together; 0 = any. Default 0.',
  ),
  toggle(PROTECTION, '--trust-tenant-header', ['tenants', 'header', 'trust'], true, 'Take the tenant from a header.'),
  built(
    PROTECTION,
    '--tenant-header-name',
    'HEADER',
    ['tenants', 'header', 'name'],
    asText,
    'That header. Default x-smg-tenant-id.',
  ),
  {
    ...built(SECURITY, '--api-key', 'KEY', ['auth', 'api_key'], asText, 'Key of clients, also sent to workers.'),
    secret: true,
  },
  {
    ...built(SECURITY, '--tenant-api-key', 'TENANT:KEY', ['auth', 'tenants'], asTenantKey, 'Key of one tenant.'),
    takes: 'repeat',
    secret: true,
  },
  {
    ...built(
      SECURITY,
      '--control-plane-api-keys',
      'ID:NAME:ROLE:KEY',
      ['auth', 'admin', 'keys'],
      asAdministratorKey,
      'Keys of administrators; role admin, or user for reading.',
    ),
    takes: 'many',
    secret: true,
    env: 'CONTROL_PLANE_API_KEYS',
  },
  toggle(SECURITY, '--disable-audit-logging', ['auth', 'admin', 'audit'], false, 'No record of administration calls.'),
  toggle(SECURITY, '--control-plane-audit-enabled', ['auth', 'admin', 'audit'], true, 'Record them; the default.'),
  {
    ...built(SECURITY, '--tls-cert-path', 'FILE', [...MAIN, 'tls', 'cert'], asFileReference, 'Certificate chain, PEM.'),
    interpolated: true,
  },
  {
    ...built(SECURITY, '--tls-key-path', 'FILE', [...MAIN, 'tls', 'key'], asFileReference, 'Private key, PEM.'),
    interpolated: true,
  },
  {
    ...built(
      SECURITY,
      '--client-cert-path',
      'FILE',
      [...CLI, 'tls', 'cert'],
      asFileReference,
      'Certificate for workers.',
    ),
    interpolated: true,
  },
  {
    ...built(SECURITY, '--client-key-path', 'FILE', [...CLI, 'tls', 'key'], asFileReference, 'Its private key, PEM.'),
    interpolated: true,
  },
  {
    ...built(
      SECURITY,
      '--ca-cert-paths',
      'FILE',
      [...CLI, 'tls', 'ca'],
      asFileReference,
      'Authorities that sign the certificates of https:// workers.',
    ),
    takes: 'many',
    interpolated: true,
  },
  {
    name: '--set',
    group: 'Configuration',
    takes: 'repeat',
    value: 'PATH=VALUE',
    help: 'Any value of the file: --set telemetry.logs.access=false. Lists by index or name.',
    status: 'built',
    interpolated: true,
  },
];

/** Every flag that the command line knows, in the order of the help. */
export const FLAGS: readonly FlagSpec[] = [...BUILT_FLAGS, ...PLANNED_FLAGS];
