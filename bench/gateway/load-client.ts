/** Program: runs the load jobs that arrive over the IPC channel, one at a time, and sends back what it saw. */
import { connect as connectHttp2 } from 'node:http2';
import { createReadBuffer, Http1LoadConnection, type LoadLoop } from './load-http1.js';
import { Http2LoadLane } from './load-http2.js';
import { type LoadJob, type LoadResult, LoadTally } from './load-tally.js';

/** How long answers may still arrive after the window. */
const LAST_ANSWERS_MS = 10_000;
const CONNECT_LIMIT_MS = 5_000;

const readBuffer = createReadBuffer();
let lastSequence = 0;

/** Counts the connections of one job: all open, then all done. */
class JobLoop implements LoadLoop {
  readonly #onAllOpen: () => void;
  readonly #onAllDone: () => void;
  #toOpen: number;
  #running: number;

  constructor(connections: number, onAllOpen: () => void, onAllDone: () => void) {
    this.#onAllOpen = onAllOpen;
    this.#onAllDone = onAllDone;
    this.#toOpen = connections;
    this.#running = connections;
  }

  nextSequence(): number {
    lastSequence = (lastSequence + 1) % 100_000_000;
    return lastSequence;
  }

  onConnectionOpen(): void {
    if (--this.#toOpen === 0) this.#onAllOpen();
  }

  onConnectionDone(): void {
    if (--this.#running === 0) this.#onAllDone();
  }
}

function runHttp1Job(job: LoadJob): Promise<LoadResult> {
  return new Promise((resolve) => {
    const tally = new LoadTally(job);
    const connections: Http1LoadConnection[] = [];
    const closeAll = (): void => {
      for (const connection of connections) connection.close();
    };
    let timer = setTimeout(closeAll, CONNECT_LIMIT_MS);
    const start = (): void => {
      clearTimeout(timer);
      timer = setTimeout(closeAll, job.durationMs + LAST_ANSWERS_MS);
      tally.start();
      const now = performance.now();
      for (const connection of connections) connection.send(now);
    };
    const loop = new JobLoop(job.concurrency, start, () => {
      clearTimeout(timer);
      resolve(tally.result());
    });
    for (let i = 0; i < job.concurrency; i++) connections.push(new Http1LoadConnection(job, tally, loop, readBuffer));
  });
}

function runHttp2Job(job: LoadJob): Promise<LoadResult> {
  return new Promise((resolve) => {
    const tally = new LoadTally(job);
    const session = connectHttp2(`http://127.0.0.1:${job.port}`);
    const lanes: Http2LoadLane[] = [];
    const closeAll = (): void => {
      for (const lane of lanes) lane.close();
    };
    const timer = setTimeout(closeAll, CONNECT_LIMIT_MS + job.durationMs + LAST_ANSWERS_MS);
    const start = (): void => {
      tally.start();
      const now = performance.now();
      for (const lane of lanes) lane.send(now);
    };
    const loop = new JobLoop(job.concurrency, start, () => {
      clearTimeout(timer);
      session.destroy();
      resolve(tally.result());
    });
    for (let i = 0; i < job.concurrency; i++) lanes.push(new Http2LoadLane(job, tally, loop, session));
    session.once('error', closeAll);
    session.once('remoteSettings', () => {
      for (let i = 0; i < job.concurrency; i++) loop.onConnectionOpen();
    });
  });
}

process.on('message', (job: LoadJob) => {
  const run = job.protocol === 'h2' ? runHttp2Job(job) : runHttp1Job(job);
  void run.then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit(0));
