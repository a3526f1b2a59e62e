// Adapts heartbeats to proxies that close idle connections, such as nginx after its
// proxy_read_timeout. Such a proxy would close an idle stream again and again if heartbeats
// were less frequent. If two connections break after the same silence, heartbeats are sent
// twice as often from then on.

/** The shortest silence that may be the cause of a broken connection, in milliseconds. */
const shortest = 1_500;

/** The shortest heartbeat interval that a bridge accepts, in milliseconds. */
const leastHeartbeat = 1_000;

/** The silence before the last broken connection, by bridge, in milliseconds. */
const cuts = new Map<string, number>();

/** The longest tolerated silence, by bridge, in milliseconds. */
const limits = new Map<string, number>();

/**
 * heartbeatFor returns the heartbeat interval for a bridge; 0, for never, is not changed.
 */
export function heartbeatFor(bridge: string, wanted: number): number {
  const limit = limits.get(bridge);
  if (limit === undefined || wanted === 0) return wanted;
  return Math.min(wanted, Math.max(leastHeartbeat, Math.floor(limit / 2)));
}

/** wasCut records that a connection to a bridge broke after a silence. */
export function wasCut(bridge: string, silence: number): void {
  if (silence < shortest) return;
  const last = cuts.get(bridge);
  cuts.set(bridge, silence);
  if (last === undefined || Math.abs(last - silence) > Math.max(250, last / 20)) return;
  limits.set(bridge, Math.min(last, silence, limits.get(bridge) ?? silence));
}
