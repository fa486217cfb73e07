import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** A certificate and its private key, both PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/** What an issued certificate says. */
export interface TestCertificateOptions {
  /** Common name. Default `test`. */
  readonly name?: string;
  /** Host names and IPv4 addresses that it is for. Default `localhost` and `127.0.0.1`. */
  readonly hosts?: readonly string[];
  /** Days from now until it ends; negative: it has ended. Default 2. */
  readonly days?: number;
}

/** An authority that signs certificates for tests. */
export interface TestAuthority {
  /** Its own certificate, PEM. */
  readonly cert: string;
  issue(options?: TestCertificateOptions): TestCertificate;
}

/** Makes an authority with a fresh P-256 key, in this process: nothing else needs to be installed. */
export function createTestAuthority(name = 'test authority'): TestAuthority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const isAuthority = extension('551d13', sequence(BOOLEAN_TRUE), true);
  const cert = certificate(name, name, own.publicKey, own.privateKey, 2, [isAuthority]);
  return {
    cert,
    issue({ name: subject = 'test', hosts = ['localhost', '127.0.0.1'], days = 2 } = {}) {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const names = hosts.map((host) =>
        isIPv4(host) ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host)),
      );
      const extensions = [extension('551d11', sequence(...names), false)];
      return {
        cert: certificate(name, subject, pair.publicKey, own.privateKey, days, extensions),
        key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      };
    },
  };
}

/** DER (X.690) of an X.509 version 3 certificate (RFC 5280 §4.1), signed with ECDSA and SHA-256. */
function certificate(
  issuer: string,
  subject: string,
  publicKey: KeyObject,
  issuerKey: KeyObject,
  days: number,
  extensions: readonly Buffer[],
): string {
  const dayMs = 86_400_000;
  const validity = sequence(time(Date.now() - 30 * dayMs), time(Date.now() + days * dayMs));
  const algorithm = sequence(der(0x06, Buffer.from('2a8648ce3d040302', 'hex')));
  const version = der(0xa0, der(0x02, Buffer.from([2])));
  const serial = der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)]));
  const subjectKey = publicKey.export({ type: 'spki', format: 'der' });
  const body = sequence(
    version,
    serial,
    algorithm,
    commonName(issuer),
    validity,
    commonName(subject),
    subjectKey,
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', body, issuerKey);
  const whole = sequence(body, algorithm, der(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = whole.toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines.trimEnd()}\n-----END CERTIFICATE-----\n`;
}

const BOOLEAN_TRUE = der(0x01, Buffer.from([0xff]));

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  let head = [tag, length];
  if (length > 255) head = [tag, 0x82, length >> 8, length & 0xff];
  else if (length > 127) head = [tag, 0x81, length];
  return Buffer.concat([Buffer.from(head), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function commonName(name: string): Buffer {
  const attribute = sequence(der(0x06, Buffer.from('550403', 'hex')), der(0x0c, Buffer.from(name)));
  return sequence(der(0x31, attribute));
}

/** GeneralizedTime, in seconds. */
function time(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return der(0x18, Buffer.from(text));
}

function extension(oid: string, value: Buffer, critical: boolean): Buffer {
  const id = der(0x06, Buffer.from(oid, 'hex'));
  return sequence(id, ...(critical ? [BOOLEAN_TRUE] : []), der(0x04, value));
}
