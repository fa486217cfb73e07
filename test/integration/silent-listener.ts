import { fork } from 'node:child_process';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** A port whose connections are never set up. */
export interface SilentListener {
  readonly port: number;
  close(): void;
}

/**
 * Opens a port on which `connect` hangs: a process that listens with the smallest backlog and then blocks, and enough
 * connections to fill that backlog. Linux drops further SYNs.
 */
export async function openSilentListener(): Promise<SilentListener> {
  const child = fork(fileURLToPath(import.meta.url), ['block'], { execArgv: process.execArgv });
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(message as number));
    child.once('error', reject);
  });
  await sleep(50);
  const fillers: net.Socket[] = [];
  for (let open = true; open && fillers.length < 16; ) {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    fillers.push(socket);
    open = await Promise.race([
      new Promise<boolean>((resolve) => socket.once('connect', () => resolve(true))),
      sleep(100).then(() => false),
    ]);
  }
  return {
    port,
    close: () => {
      for (const socket of fillers) socket.destroy();
      child.kill('SIGKILL');
    },
  };
}

if (process.argv[2] === 'block' && process.send !== undefined) {
  const server = net.createServer();
  server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
    process.send?.((server.address() as net.AddressInfo).port, () => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });
  });
}
