import tls from 'node:tls';

/**
 * For processes of tests that use a provider's real address: loaded with `--import`, it leads TLS connections to the hosts of
 * `SMG_TEST_HOSTS` (`{"api.example.com": port}`) to ports of the loopback, and refuses all others. Names are checked against
 * certificates as ever.
 */
const ports = JSON.parse(process.env.SMG_TEST_HOSTS ?? '{}') as Readonly<Record<string, number>>;
const { connect } = tls;

tls.connect = ((options: tls.ConnectionOptions, onSecure?: () => void) => {
  const { host = '' } = options;
  const port = ports[host];
  if (port === undefined) throw new Error(`tests talk to loopback only, not to ${host}`);
  return connect({ ...options, host: '127.0.0.1', port, servername: host }, onSecure);
}) as typeof connect;
