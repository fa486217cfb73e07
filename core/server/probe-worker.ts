import { parentPort, workerData } from 'node:worker_threads';
import { BugError } from '../api/errors.js';
import { openListener } from '../listener/listener.js';
import { createProbeAcceptor } from './probe-acceptor.js';
import type { ModelReadiness } from './probe-answers.js';
import { ProbeBoard } from './probe-board.js';
import type { ProbeWorkerData, ProbeWorkerMessage } from './probe-listener.js';
import { SystemClock } from './system-clock.js';

/**
 * The thread of one probe listener: a file of its own that nothing imports. Told by the thread that serves clients which
 * models are ready; everything else it reads from the shared board, whether that thread is busy or not.
 */
if (parentPort === null) throw new BugError('the probe worker runs in a thread of its own');
const port = parentPort;
const data = workerData as ProbeWorkerData;
let table = data.table;
port.on('message', (next: ModelReadiness) => {
  table = next;
});

/** A prober asks little and rarely. */
const limits = { maxHeadBytes: 8 * 1024, maxFields: 64, headMs: 5_000, keepAliveMs: 60_000, maxConnections: 256 };

const tell = (message: ProbeWorkerMessage): void => port.postMessage(message);
try {
  const listener = await openListener(
    { host: data.host, port: data.port, limits, clock: new SystemClock() },
    createProbeAcceptor(new ProbeBoard(data.memory), () => table),
  );
  tell({ host: listener.host, port: listener.port });
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException;
  tell({ message, code });
  port.close();
}
