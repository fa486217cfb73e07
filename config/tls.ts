import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import * as z from 'zod';
import { Secret } from './secret.js';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/;
const FILE_HINT = 'to read it from a file write $file:/path';

/** Every certificate of a PEM text, in order. Throws for one that cannot be read. */
export function parseCertificates(pem: string): X509Certificate[] {
  return (pem.match(CERTIFICATE) ?? []).map((text) => new X509Certificate(text));
}

/** One or more certificates, PEM, each of them readable. */
function certificates() {
  return z.string().superRefine((text, context) => {
    const issue = (message: string): void => context.addIssue({ code: 'custom', message });
    try {
      if (parseCertificates(text).length === 0) issue(`is not a PEM certificate; ${FILE_HINT}`);
    } catch {
      issue('holds a certificate that cannot be read');
    }
  });
}

/** A private key, PEM, without a passphrase. */
function privateKey() {
  return z
    .string()
    .superRefine((text, context) => {
      const problem = privateKeyProblem(text);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .transform((text) => new Secret(text))
    .meta({ 'x-secret': true });
}

function privateKeyProblem(text: string): string | undefined {
  if (!PRIVATE_KEY.test(text)) return `is not a PEM private key; ${FILE_HINT}`;
  if (/ENCRYPTED/.test(text)) return 'is encrypted; keys with a passphrase cannot be used';
  return readKey(text) === undefined ? 'is a private key that cannot be read' : undefined;
}

function readKey(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text);
  } catch {
    return undefined; // The caller says so, without what OpenSSL would repeat of it.
  }
}

function firstCertificate(pem: string): X509Certificate | undefined {
  try {
    return parseCertificates(pem)[0];
  } catch {
    return undefined; // Reported where it stands.
  }
}

/** What a handshake would stumble over: found at load instead. Undefined when the pair works. */
function pairProblem(cert: string, secretKey: Secret): string | undefined {
  // A key that was refused already has not become one.
  if (!(secretKey instanceof Secret)) return undefined;
  const key = secretKey.reveal();
  const secret = readKey(key);
  const own = firstCertificate(cert);
  if (own === undefined || secret === undefined) return undefined;
  if (!own.checkPrivateKey(secret)) return 'does not belong to the certificate beside it';
  try {
    createSecureContext({ cert, key });
    return undefined;
  } catch (error) {
    return `is refused by OpenSSL: ${(error as { reason?: string }).reason ?? 'no reason given'}`;
  }
}

/** TLS of a listener. */
export const serverTlsSchema = z
  .strictObject({
    cert: certificates().describe('Certificate chain, PEM. Usually $file:/path.'),
    key: privateKey().describe('Private key, PEM. Usually $file:/path.'),
    client_ca: z
      .array(certificates())
      .min(1)
      .optional()
      .describe('Authorities whose certificates clients may present, PEM. Default: clients are not asked for one.'),
    client_auth: z
      .enum(['require', 'request'])
      .optional()
      .describe(
        'With client_ca: every client must present a certificate (require, the default), or may, and then a valid one (request).',
      ),
  })
  .superRefine(({ cert, key, client_ca, client_auth }, context) => {
    const problem = pairProblem(cert, key);
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['key'], message: problem });
    if (client_auth !== undefined && client_ca === undefined) {
      context.addIssue({ code: 'custom', path: ['client_auth'], message: 'needs client_ca beside it' });
    }
  })
  .describe('Serve TLS. HTTP/2 and HTTP/1.1 are negotiated by ALPN. Changes of it serve new connections at once.');

/** TLS towards the workers of a cluster. */
export const upstreamTlsSchema = z
  .strictObject({
    ca: z
      .array(certificates())
      .min(1)
      .optional()
      .describe("Authorities that sign the workers' certificates, PEM. Default: those that Node knows."),
    cert: certificates().optional().describe('Certificate that the gateway presents, PEM. Usually $file:/path.'),
    key: privateKey().optional().describe('Private key of cert, PEM. Usually $file:/path.'),
    server_name: z
      .string()
      .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/, 'is not a host name')
      .optional()
      .describe("Name in the workers' certificates, sent as SNI. Default: the host of the URL."),
    verify: z
      .boolean()
      .default(true)
      .describe('Check the certificates of the workers. Default true; false lets anybody in between listen.'),
  })
  .superRefine(({ cert, key }, context) => {
    const issue = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    if (cert !== undefined && key === undefined) issue('cert', 'needs key beside it: both or neither');
    if (cert === undefined && key !== undefined) issue('key', 'needs cert beside it: both or neither');
    if (cert === undefined || key === undefined) return;
    const problem = pairProblem(cert, key);
    if (problem !== undefined) issue('key', problem);
  })
  .describe('TLS towards https:// workers, for requests, probes and discovery alike.');

export type ServerTlsConfig = z.output<typeof serverTlsSchema>;
export type UpstreamTlsConfig = z.output<typeof upstreamTlsSchema>;
