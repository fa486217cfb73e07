import { defineFilter, FilterDataStatus, FilterHeadersStatus, StatsScope } from 'smg';
import * as z from 'zod';

/** Fields whose meaning is fixed by the protocol; setting them would break answers. */
const RESERVED = ['connection', 'content-length', 'content-type', 'content-encoding', 'transfer-encoding'];

const configSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9-]+$/, 'must be made of letters, digits and -')
    .transform((name) => name.toLowerCase())
    .refine((name) => !RESERVED.includes(name), 'is set by the gateway itself')
    .describe('Response header to set'),
  value: z
    .string()
    .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, 'must be printable ASCII without outer spaces')
    .describe('Its value'),
});

/**
 * One instance per request. It sees every answer on its way up: the head once, and each event of a streamed one.
 *
 * @implements {import('smg').StreamFilter}
 */
class HeaderFilter {
  #config;
  #events;

  /**
   * @param {z.output<typeof configSchema>} config
   * @param {import('smg').Counter} events
   */
  constructor(config, events) {
    this.#config = config;
    this.#events = events;
  }

  /** @param {import('smg').ResponseHeaders} headers */
  encodeHeaders(headers) {
    headers.set(this.#config.name, this.#config.value);
    return FilterHeadersStatus.Continue;
  }

  encodeEvent() {
    this.#events.inc();
    return FilterDataStatus.Continue;
  }
}

/** A package exports, as its default, one plugin or an array of them. */
export default defineFilter({
  type: 'response_header',
  apiVersion: '1',
  configSchema,
  inject: [StatsScope],
  create(config, _lifetime, stats) {
    const events = stats
      .counter({ name: 'smg_plugin_header_events_total', help: 'Streamed events that were seen' })
      .with();
    return () => new HeaderFilter(config, events);
  },
});
