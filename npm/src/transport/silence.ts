// How long a connection may be silent. A proxy that cuts silent connections, such as
// nginx after its proxy_read_timeout, would cut a quiet stream again and again where
// heartbeats come less often. Two cuts after the same silence tell of one, and from then
// on heartbeats come twice as often.

/** The shortest silence that is taken for the reason of a cut, in milliseconds. */
const shortest = 1_500;

/** The least time between heartbeats that a bridge takes, in milliseconds. */
const leastHeartbeat = 1_000;

/** How long the last connection was silent that was cut, by bridge, in milliseconds. */
const cuts = new Map<string, number>();

/** The longest silence, by bridge, in milliseconds. */
const limits = new Map<string, number>();

/** heartbeatFor returns how often to ask a bridge for heartbeats; 0, for never, stays. */
export function heartbeatFor(bridge: string, wanted: number): number {
  const limit = limits.get(bridge);
  if (limit === undefined || wanted === 0) return wanted;
  return Math.min(wanted, Math.max(leastHeartbeat, Math.floor(limit / 2)));
}

/** wasCut notes that a connection to a bridge broke off after a silence. */
export function wasCut(bridge: string, silence: number): void {
  if (silence < shortest) return;
  const last = cuts.get(bridge);
  cuts.set(bridge, silence);
  if (last === undefined || Math.abs(last - silence) > Math.max(250, last / 20)) return;
  limits.set(bridge, Math.min(last, silence, limits.get(bridge) ?? silence));
}
