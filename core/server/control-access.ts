import type { GatewayConfig } from '../../config/gateway.js';
import { ADMIN_LISTENER, isLoopback } from '../../config/listener.js';
import { type EarlyTest, RequestTest } from '../api/request-match.js';
import type { StreamInfo } from '../api/stream-info.js';
import type { ControlAccess } from '../http/connection-manager.js';
import type { BuiltFilter } from './chain-compiler.js';

/** Name that filters provide which decide who may call administration endpoints. */
export const ACCESS_CONTROL = 'access_control';

/**
 * Whether administration endpoints show on a listener, for one configuration. With a listener of their own the others
 * lack them. With `defaults: standard` they are refused on an address that others can reach, as long as no filter asks
 * for a key there; with `defaults: smg` that is warned of at load, since SMG leaves them open.
 */
export function controlAccess(
  config: GatewayConfig,
  filters: readonly BuiltFilter[],
): (info: StreamInfo) => ControlAccess {
  const guards = filters.flatMap(({ config: { match }, definition, factory }): EarlyTest[] => {
    if (factory === undefined || definition.provides?.includes(ACCESS_CONTROL) !== true) return [];
    const { early, late } = new RequestTest(match ?? {});
    // Whom only some headers lead to the lock, others pass by it.
    return late === undefined ? [early ?? (() => true)] : [];
  });
  const hosts = new Map(config.listeners.map(({ name, host }) => [name, host]));
  const ownListener = config.admin.listener;
  if (ownListener !== undefined) hosts.set(ADMIN_LISTENER, ownListener.host);
  return (info) => {
    if (ownListener !== undefined && info.listener !== ADMIN_LISTENER) return 'absent';
    if (config.defaults === 'smg' || isLoopback(hosts.get(info.listener) ?? '')) return 'open';
    return guards.some((takes) => takes(info)) ? 'open' : 'refused';
  };
}
