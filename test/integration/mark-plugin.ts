import * as z from 'zod';
import { defineFilter, type FilterFactoryCb, FilterHeadersStatus } from '../../core/index.js';

const configSchema = z.strictObject({ mark: z.string() });

/** Adds its mark to `x-mark` of the answer: shows which filters a request passed, and with which settings. */
function create({ mark }: z.output<typeof configSchema>): FilterFactoryCb {
  return () => ({
    encodeHeaders: (headers) => {
      headers.append('x-mark', mark);
      return FilterHeadersStatus.Continue;
    },
  });
}

export default [
  defineFilter({ type: 'mark', apiVersion: '1', configSchema, inject: [], create }),
  defineFilter({ type: 'mark_all', apiVersion: '1', appliesTo: 'every_request', configSchema, inject: [], create }),
];
