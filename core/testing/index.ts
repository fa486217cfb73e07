/** What tests of filters and plugins need: the real chain without sockets, and a clock that stands still. */
export * from './fake-clock.js';
export * from './filter-harness.js';
