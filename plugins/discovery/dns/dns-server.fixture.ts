import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';

export type TestRecord =
  /** `ttl` in seconds; default 5. */
  | { readonly type: 'A' | 'AAAA'; readonly address: string; readonly ttl?: number }
  | {
      readonly type: 'SRV';
      readonly target: string;
      readonly port: number;
      readonly priority?: number;
      readonly weight?: number;
    };

const TYPES = { A: 1, AAAA: 28, SRV: 33 } as const;
const RESPONSE_CODES = { none: 0, servfail: 2, nxdomain: 3, refused: 5 } as const;

/** A DNS server on UDP and loopback that answers from a table. Names in lower case, without the final dot. */
export class TestDnsServer {
  readonly zone = new Map<string, readonly TestRecord[]>();
  /** Instead of the table. */
  failure: 'servfail' | 'refused' | 'silent' | undefined = undefined;
  /** Names for which it always fails. */
  readonly broken = new Set<string>();
  /** Questions that were asked, `TYPE name`. */
  readonly questions: string[] = [];
  readonly #socket: Socket = createSocket('udp4');

  static async start(): Promise<TestDnsServer> {
    const server = new TestDnsServer();
    server.#socket.on('message', (message, from) => server.#onQuestion(message, from));
    server.#socket.bind(0, '127.0.0.1');
    await once(server.#socket, 'listening');
    return server;
  }

  /** `ip:port`. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(resolve));
  }

  #onQuestion(message: Buffer, from: RemoteInfo): void {
    if (this.failure === 'silent') return;
    const labels: string[] = [];
    let at = 12;
    for (let length = message[at] as number; length > 0; length = message[at] as number) {
      labels.push(message.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const question = message.subarray(12, at + 5);
    const type = message.readUInt16BE(at + 1);
    const name = labels.join('.').toLowerCase();
    const typeName = Object.entries(TYPES).find(([, code]) => code === type)?.[0] ?? String(type);
    this.questions.push(`${typeName} ${name}`);
    const known = this.zone.get(name);
    const failure = this.failure ?? (this.broken.has(name) ? 'servfail' : undefined);
    const answers = failure === undefined ? (known ?? []).filter((record) => TYPES[record.type] === type) : [];
    const code = failure ?? (known === undefined ? 'nxdomain' : 'none');
    const head = Buffer.alloc(12);
    message.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8580 | RESPONSE_CODES[code], 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answers.length, 6);
    this.#socket.send(Buffer.concat([head, question, ...answers.map(encode)]), from.port, from.address);
  }
}

/** One answer; its name points at the question. */
function encode(record: TestRecord): Buffer {
  const data = dataOf(record);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(TYPES[record.type], 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(record.type === 'SRV' ? 5 : (record.ttl ?? 5), 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function dataOf(record: TestRecord): Buffer {
  if (record.type !== 'SRV') return Buffer.from(addressBytes(record.address));
  const head = Buffer.alloc(6);
  head.writeUInt16BE(record.priority ?? 0, 0);
  head.writeUInt16BE(record.weight ?? 0, 2);
  head.writeUInt16BE(record.port, 4);
  const labels = record.target.split('.').filter(Boolean);
  return Buffer.concat([
    head,
    ...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.of(0),
  ]);
}

function addressBytes(address: string): number[] {
  if (isIPv4(address)) return address.split('.').map(Number);
  const [front = '', back] = address.split('::');
  const groups = (text: string): number[] =>
    text
      .split(':')
      .filter(Boolean)
      .map((group) => Number.parseInt(group, 16));
  const left = groups(front);
  const right = groups(back ?? '');
  const middle = Array<number>(8 - left.length - right.length).fill(0);
  return [...left, ...middle, ...right].flatMap((group) => [group >> 8, group & 255]);
}
