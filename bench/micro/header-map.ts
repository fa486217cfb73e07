/**
 * What header fields cost: the flat list of `core/api/headers.ts` beside `Map` and a plain object, with the fields that
 * a chat request carries. Run: `node --import tsx bench/micro/header-map.ts`.
 */
import { HeaderMap } from '../../core/api/headers.js';
import { printCases } from './run.js';

const FIELDS: readonly string[] = [
  ...['host', 'gateway.example:30000', 'user-agent', 'OpenAI/JS 6.49.0', 'accept', 'application/json'],
  ...['authorization', 'Bearer sk-0123456789abcdef', 'content-type', 'application/json', 'content-length', '1024'],
  ...['x-stainless-lang', 'js', 'x-stainless-runtime', 'node', 'x-request-id', '0197f2d4-6a3c-7d5e-9b1f-2c8e4a6d0f13'],
  ...['accept-encoding', 'gzip, deflate', 'connection', 'keep-alive'],
];

function createMap(): Map<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i < FIELDS.length; i += 2) map.set(FIELDS[i] as string, FIELDS[i + 1] as string);
  return map;
}

function createRecord(): Record<string, string> {
  const record: Record<string, string> = {};
  for (let i = 0; i < FIELDS.length; i += 2) record[FIELDS[i] as string] = FIELDS[i + 1] as string;
  return record;
}

const headers = new HeaderMap(FIELDS.slice());
const map = createMap();
const record = createRecord();

printCases(`build, ${FIELDS.length / 2} fields`, [
  { name: 'HeaderMap', run: () => new HeaderMap(FIELDS.slice()) },
  { name: 'Map', run: createMap },
  { name: 'object', run: createRecord },
]);

printCases('get: first, last, absent', [
  { name: 'HeaderMap', run: () => [headers.get('host'), headers.get('connection'), headers.get('traceparent')] },
  { name: 'Map', run: () => [map.get('host'), map.get('connection'), map.get('traceparent')] },
  { name: 'object', run: () => [record.host, record.connection, record.traceparent] },
]);

/** What the gateway does to every request: drop a hop-by-hop field, replace one, add one. */
printCases('build, delete one, replace one, append one', [
  {
    name: 'HeaderMap',
    run: () => {
      const fresh = new HeaderMap(FIELDS.slice());
      fresh.delete('connection');
      fresh.set('authorization', 'Bearer worker-key');
      fresh.append('traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
      return fresh;
    },
  },
  {
    name: 'Map',
    run: () => {
      const fresh = createMap();
      fresh.delete('connection');
      fresh.set('authorization', 'Bearer worker-key');
      fresh.set('traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
      return fresh;
    },
  },
]);

printCases('visit all', [
  {
    name: 'HeaderMap.forEach',
    run: () => {
      let length = 0;
      headers.forEach((name, value) => {
        length += name.length + value.length;
      });
      return length;
    },
  },
  {
    name: 'Map',
    run: () => {
      let length = 0;
      for (const [name, value] of map) length += name.length + value.length;
      return length;
    },
  },
  {
    name: 'object',
    run: () => {
      let length = 0;
      for (const name in record) length += name.length + (record[name] as string).length;
      return length;
    },
  },
]);
