import { Agent, request as httpRequest } from 'node:http';
import type { Sent } from './callers.js';

/** Requests at once. */
const CONCURRENCY = 16;

const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });

/** What came back: status, and head and body in one text. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Sends credentials as they are; a body makes it a POST. */
export function send(
  url: string,
  path: string,
  credentials: readonly Pick<Sent, 'header' | 'value'>[],
  body?: object,
): Promise<Answer> {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  for (const { header, value } of credentials) headers[header] = value;
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      `${url}${path}`,
      { method: body === undefined ? 'GET' : 'POST', headers, agent },
      (incoming) => {
        let text = JSON.stringify(incoming.rawHeaders);
        incoming.on('data', (chunk) => (text += chunk));
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }));
        incoming.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Runs `work` for each, several at once. */
export async function each<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const run = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) await work(items[index] as T, index);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, run));
}
