/** Program: many workers in one process, each on a port of its own, so that a fleet of thousands fits on a laptop. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the program is asked for: its number of workers. */
export interface FleetRequest {
  readonly count: number;
}

/** What it answers when all listen. */
export interface FleetReply {
  readonly ports: readonly number[];
}

/** Models that the fleet has: worker i has model i modulo this number. */
export const FLEET_MODELS = 20;

function startWorker(index: number): Promise<Server> {
  const model = `model-${index % FLEET_MODELS}`;
  const models = JSON.stringify({ object: 'list', data: [{ id: model, object: 'model', owned_by: 'vllm' }] });
  const answer = JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model,
    choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  });
  const server = createServer((request, response) => {
    request.resume();
    const { url = '' } = request;
    const body =
      url === '/v1/chat/completions' ? answer : url === '/v1/models' ? models : url === '/health' ? '{}' : '';
    response.writeHead(body === '' ? 404 : 200, { 'content-type': 'application/json' }).end(body);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

async function startFleet(count: number): Promise<FleetReply> {
  const ports: number[] = [];
  for (let index = 0; index < count; index++) {
    ports.push(((await startWorker(index)).address() as AddressInfo).port);
  }
  return { ports };
}

process.on('message', ({ count }: FleetRequest) => {
  startFleet(count).then(
    (reply) => process.send?.(reply),
    // The process that asked sees this one end.
    (error: unknown) => process.exit(error instanceof Error ? 1 : 2),
  );
});
