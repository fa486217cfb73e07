/**
 * What tests of plugins need: the real chain without sockets, a clock that stands still, a whole gateway on port 0, and a
 * simulated engine behind it, certificates.
 */
export * from './fake-clock.js';
export * from './filter-harness.js';
export * from './gateway-fixture.js';
export * from './json-request.js';
export * from './kept-state.js';
export * from './scripted-terminal.js';
export * from './sim-fixture.js';
export * from './test-certificates.js';
