import { accepted, built, toggle } from './flag-rows.js';
import type { FlagSpec } from './flag-spec.js';
import { asCount, asDecimal, asMilliseconds, asPositiveSeconds, asSeconds, asText } from './flag-values.js';

const CLI = ['clusters', 'cli'];
const HEALTH = ['resilience', 'health'];
const BREAKER = ['resilience', 'circuit_breaker'];
const OVERLOAD = ['resilience', 'overload'];
const LIVENESS = ['resilience', 'liveness'];
const RETRY = ['resilience', 'retry'];
const BACKOFF = [...RETRY, 'backoff'];

const RESILIENCE = 'Retry and health';

/** Flags of retries, circuit breakers, overload, liveness and health checks: what `resilience` says in a file. */
export const RESILIENCE_FLAGS: readonly FlagSpec[] = [
  built(RESILIENCE, '--retry-max-retries', 'COUNT', [...RETRY, 'attempts'], asCount, 'Attempts in total. Default 5.'),
  built(
    RESILIENCE,
    '--retry-initial-backoff-ms',
    'MS',
    [...BACKOFF, 'initial'],
    asMilliseconds,
    'First wait before a worker is tried again. Default 50.',
  ),
  built(
    RESILIENCE,
    '--retry-max-backoff-ms',
    'MS',
    [...BACKOFF, 'max'],
    asMilliseconds,
    'Longest wait. Default 30000.',
  ),
  built(
    RESILIENCE,
    '--retry-backoff-multiplier',
    'FACTOR',
    [...BACKOFF, 'factor'],
    asDecimal,
    'Growth of the waits. Default 1.5.',
  ),
  built(
    RESILIENCE,
    '--retry-jitter-factor',
    'SHARE',
    [...BACKOFF, 'jitter'],
    asDecimal,
    'Random share of a wait, 0 to 1. Default 0.2.',
  ),
  toggle(RESILIENCE, '--disable-retries', RETRY, 'off', 'One attempt only.'),
  built(
    RESILIENCE,
    '--cb-failure-threshold',
    'COUNT',
    [...BREAKER, 'failures'],
    asCount,
    'Failures in a row that stop requests to a worker. Default 10.',
  ),
  built(
    RESILIENCE,
    '--cb-success-threshold',
    'COUNT',
    [...BREAKER, 'successes'],
    asCount,
    'Good answers that let them flow again. Default 3.',
  ),
  built(
    RESILIENCE,
    '--cb-timeout-duration-secs',
    'SECONDS',
    [...BREAKER, 'open_for'],
    asPositiveSeconds,
    'Time before such a worker is tried. Default 60.',
  ),
  built(
    RESILIENCE,
    '--cb-window-duration-secs',
    'SECONDS',
    [...BREAKER, 'window'],
    asPositiveSeconds,
    'Time over which the share of failures counts. Default 120.',
  ),
  toggle(RESILIENCE, '--disable-circuit-breaker', BREAKER, 'off', 'Requests go on to workers that fail.'),
  accepted(RESILIENCE, '--worker-overload-protection', 'Protection from overload; the default.'),
  built(
    RESILIENCE,
    '--worker-overload-waiting-requests',
    'COUNT',
    [...OVERLOAD, 'waiting_requests'],
    asCount,
    'Waiting requests from which an engine gets no more. Default 8.',
  ),
  built(
    RESILIENCE,
    '--worker-overload-token-usage',
    'SHARE',
    [...OVERLOAD, 'kv_usage'],
    asDecimal,
    'KV usage from which an engine gets no more. Default 0.8.',
  ),
  toggle(RESILIENCE, '--worker-overload-shed', [...OVERLOAD, 'shed'], true, 'All overloaded: 503 at once.'),
  toggle(
    RESILIENCE,
    '--disable-worker-overload-protection',
    OVERLOAD,
    'off',
    'Reports of engines keep nothing from them.',
  ),
  built(
    RESILIENCE,
    '--worker-stall-secs',
    'SECONDS',
    [...LIVENESS, 'stall'],
    asSeconds,
    'Silence after a broken connection that takes a worker out; 0 = off. Default 2.',
  ),
  built(
    RESILIENCE,
    '--worker-stale-secs',
    'SECONDS',
    [...LIVENESS, 'stale'],
    asSeconds,
    'Silence of one that reported its load; 0 = off. Default 15.',
  ),
  built(
    RESILIENCE,
    '--worker-wedge-secs',
    'SECONDS',
    [...LIVENESS, 'wedge'],
    asSeconds,
    'Silence of all requests to a worker while more come; 0 = off. Default 3.',
  ),
  built(
    RESILIENCE,
    '--load-monitor-interval',
    'SECONDS',
    [...CLI, 'load', 'poll_every'],
    asPositiveSeconds,
    'Period of questions for load. Default 10.',
  ),
  toggle(
    RESILIENCE,
    '--disable-load-monitoring',
    [...CLI, 'load', 'when'],
    'needed',
    'Ask only where it is needed; the default.',
  ),
  built(
    RESILIENCE,
    '--health-failure-threshold',
    'COUNT',
    [...HEALTH, 'unhealthy_after'],
    asCount,
    'Failed probes that take a worker out. Default 3.',
  ),
  built(
    RESILIENCE,
    '--health-success-threshold',
    'COUNT',
    [...HEALTH, 'healthy_after'],
    asCount,
    'Good probes that bring it back. Default 2.',
  ),
  built(
    RESILIENCE,
    '--health-check-timeout-secs',
    'SECONDS',
    [...HEALTH, 'timeout'],
    asPositiveSeconds,
    'Time for a probe. Default 5.',
  ),
  built(
    RESILIENCE,
    '--health-check-interval-secs',
    'SECONDS',
    [...HEALTH, 'every'],
    asPositiveSeconds,
    'Period of probes. Default 60.',
  ),
  built(RESILIENCE, '--health-check-endpoint', 'PATH', [...HEALTH, 'path'], asText, 'Path of probes. Default /health.'),
  built(
    RESILIENCE,
    '--drain-settle-secs',
    'SECONDS',
    ['resilience', 'drain', 'settle'],
    asSeconds,
    'How long a removed worker is at least seen draining. Default 5.',
  ),
  toggle(RESILIENCE, '--disable-health-check', HEALTH, 'off', 'Workers count as healthy at once.'),
  {
    ...toggle(
      RESILIENCE,
      '--remove-unhealthy-workers',
      [...HEALTH, 'remove_failed'],
      true,
      'Remove workers that have failed, while others serve their models.',
    ),
    aliases: ['--worker-auto-recovery'],
  },
  {
    ...toggle(
      RESILIENCE,
      '--no-remove-unhealthy-workers',
      [...HEALTH, 'remove_failed'],
      false,
      'Failed workers stay, and are tried on; the default.',
    ),
    aliases: ['--no-worker-auto-recovery'],
  },
];
