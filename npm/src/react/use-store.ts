import { useState } from "react";
import type { Source } from "./source.js";

/**
 * useStore creates a store and keeps it until the source or the key changes. Stores do
 * nothing until they have a listener, so that a render may be discarded.
 */
export function useStore<T>(source: Source, key: string | undefined, make: () => T): T {
  const [current, setCurrent] = useState(() => ({ source, key, store: make() }));
  if (current.source === source && current.key === key) return current.store;
  const next = { source, key, store: make() };
  setCurrent(next);
  return next.store;
}
