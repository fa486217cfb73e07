import * as z from 'zod';
import { duration, offOr } from './scalars.js';

/** When requests stop going to a worker that fails. */
export const circuitBreakerSchema = z.strictObject({
  failures: z.int().min(1).max(1_000_000).default(10).describe('Failures in a row that open it. Default 10.'),
  successes: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(3)
    .describe('Good answers that close it; as many requests at a time may try. Default 3.'),
  open_for: duration(1).prefault('60s').describe('Time before the worker is tried again. Default 60s.'),
  window: duration(1)
    .prefault('2m')
    .describe('Over this time it opens too when half of at least 20 requests failed. Default 2m.'),
});

/** When a worker has more work than it can do, by its engine's own reports. */
export const overloadSchema = z.strictObject({
  waiting_requests: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Requests waiting in the engine from which it gets no more. Default 8 where neither limit is given.'),
  kv_usage: z
    .number()
    .positive()
    .max(1)
    .optional()
    .describe('Share of KV memory in use from which it gets no more. Default 0.8 where neither limit is given.'),
  shed: z
    .boolean()
    .default(false)
    .describe('All overloaded: answer 503 at once, rather than use the least loaded. Default false.'),
});

/** When silence takes a worker out before health checks do. */
export const livenessSchema = z.strictObject({
  stall: duration()
    .prefault('2s')
    .describe('After a broken connection, without any sign of life; 0 = off. Default 2s.'),
  stale: duration()
    .prefault('15s')
    .describe('Without a load report, for a worker that used to give them; 0 = off. Default 15s.'),
  wedge: duration()
    .prefault('3s')
    .describe('Without a piece of any answer while requests pile up, prompts allowed for; 0 = off. Default 3s.'),
});

/** How the load of engines is learnt. */
export const loadSchema = z
  .strictObject({
    poll_every: duration(1_000).prefault('10s').describe('Period of questions to each engine. Default 10s.'),
    when: z
      .enum(['needed', 'always'])
      .default('needed')
      .describe('needed: only where overload protection goes by it. Default needed.'),
  })
  .prefault({})
  .describe('Load that engines report.');

/** What all clusters inherit. */
export const sharedProtectionShape = {
  circuit_breaker: offOr(circuitBreakerSchema.partial())
    .optional()
    .describe('Circuit breakers of all workers, or `off`.'),
  overload: offOr(overloadSchema.partial()).optional().describe('Overload protection of all workers, or `off`.'),
  liveness: livenessSchema.partial().optional().describe('Signs of life of all workers.'),
};

/** The same for one cluster. */
export const clusterProtectionShape = {
  circuit_breaker: offOr(circuitBreakerSchema).prefault({}).describe('Circuit breakers of its workers, or `off`.'),
  overload: offOr(overloadSchema).prefault({}).describe('Overload protection of its workers, or `off`.'),
  liveness: livenessSchema.prefault({}).describe('Signs of life.'),
  load: loadSchema,
};
