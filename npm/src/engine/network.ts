// A page is told when its network is gone and when it is back. Then a stream need not wait
// any longer before it connects again, and a connection that has been silent meanwhile is
// most likely dead, which would otherwise take two heartbeats to notice. Workers are not
// told by every browser, so their pages tell them.

/** An event of the platform. */
export type NetworkEvent = "offline" | "online";

/** Receives when the network went, on the clock of performance.now. */
type Listener = (gone: number) => void;

const listeners = new Set<Listener>();

/** When the network went; undefined while it is there. */
let gone: number | undefined;

/** tell says that the network is gone or back. */
export function tell(event: NetworkEvent): void {
  if (event === "offline") {
    gone ??= performance.now();
    return;
  }
  const since = gone ?? performance.now();
  gone = undefined;
  for (const listener of [...listeners]) listener(since);
}

/** onNetwork calls a function at each event, until the returned function is called. */
export function onNetwork(listener: (event: NetworkEvent) => void): () => void {
  const hear = ({ type }: Event) => listener(type as NetworkEvent);
  // Node has neither the events nor these functions.
  for (const type of ["offline", "online"]) globalThis.addEventListener?.(type, hear);
  return () => {
    for (const type of ["offline", "online"]) globalThis.removeEventListener?.(type, hear);
  };
}

let stop: () => void = () => {};

/** whenBack calls a function each time the network is back, until the returned one is called. */
export function whenBack(listener: Listener): () => void {
  if (listeners.size === 0) stop = onNetwork(tell);
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) stop();
  };
}
