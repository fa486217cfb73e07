/** What a command may touch of the process. `core/main.ts` gives the real one, tests their own. */
export interface CliIo {
  /** Working directory, absolute. */
  readonly cwd: string;
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  /** Calls `listener` at each signal; returns the function that stops it. */
  onSignal(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): () => void;
}

export interface TextSink {
  write(text: string): unknown;
}

/** Environment as a command sees it. */
export type Environment = Readonly<Record<string, string | undefined>>;
