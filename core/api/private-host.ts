import { isIP } from 'node:net';

const PRIVATE_NAMES = /(?:^|\.)(?:localhost|local|internal|svc|cluster\.local|lan|home\.arpa)$/;
const PRIVATE_IPV4 =
  /^(?:127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/;
const PRIVATE_IPV6 = /^(?:::1$|f[cd]|fe[89ab])/;

/** Whether a host name or address is of one's own network: loopback, private (RFC 1918, 6598, 4193), link-local, or a name that is. */
export function isPrivateHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const version = isIP(host);
  if (version === 4) return PRIVATE_IPV4.test(host);
  if (version === 6) return PRIVATE_IPV6.test(host);
  return !host.includes('.') || PRIVATE_NAMES.test(host);
}
