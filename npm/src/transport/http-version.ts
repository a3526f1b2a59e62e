// Finds out whether a browser speaks HTTP/2 or HTTP/3 to an origin, by the Resource Timing of
// what it has loaded from there (https://www.w3.org/TR/resource-timing/, nextHopProtocol).
// Of another origin it tells only what has a Timing-Allow-Origin header, as the bridge's
// answers have.

/** What is known of each origin. */
const known = new Map<string, boolean>();

/**
 * hasSpokenHTTP2 reports whether requests to an origin share a connection, over HTTP/2 or
 * later. It returns undefined as long as nothing tells.
 */
export function hasSpokenHTTP2(origin: string): boolean | undefined {
  const found = known.get(origin);
  if (found !== undefined) return found;
  const entries = ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type));
  for (const { name, nextHopProtocol } of entries as PerformanceResourceTiming[]) {
    if (!name.startsWith(`${origin}/`) || !/^h(2|3|ttp\/1)/.test(nextHopProtocol)) continue;
    known.set(origin, !nextHopProtocol.startsWith("http/1"));
    return known.get(origin);
  }
  return undefined;
}
