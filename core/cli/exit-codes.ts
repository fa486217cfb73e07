/** Exit codes of every command. */
export const ExitCode = {
  Ok: 0,
  /** Something failed while running. */
  Failure: 1,
  /** The command line was wrong. */
  Usage: 2,
  /** A port or another thing that the gateway needs could not be had at the start. */
  Unavailable: 69,
  /** The configuration is wrong. */
  BadConfig: 78,
  /** Second SIGINT. */
  Interrupted: 130,
  /** Second SIGTERM. */
  Terminated: 143,
} as const;
