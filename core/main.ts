#!/usr/bin/env node
import { runCli } from './cli/cli.js';
import type { CliIo } from './cli/io.js';

/** The process as commands see it: the only reader of arguments, environment and signals. */
const io: CliIo = {
  cwd: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  onSignal(signal, listener) {
    process.on(signal, listener);
    return () => process.off(signal, listener);
  },
};

// A reader that went away (`smg config print | head`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

// The timers of the gateway keep no process alive. While a command waits for nothing else (the first probes of a start),
// Node would find an empty event loop and end with 13.
const MAX_TIMER_MS = 2 ** 31 - 1;
setInterval(() => {}, MAX_TIMER_MS);

process.exit(await runCli(process.argv.slice(2), process.env, io));
