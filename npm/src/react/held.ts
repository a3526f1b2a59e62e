import { useState } from "react";
import type { Source } from "./source.js";

/**
 * useStore creates a store and keeps it until the source or the key changes. Stores do
 * nothing until they have a listener, so that a render may be discarded.
 */
export function useStore<T>(source: Source, key: string | undefined, make: () => T): T {
  const [held, hold] = useState(() => ({ source, key, store: make() }));
  if (held.source === source && held.key === key) return held.store;
  const next = { source, key, store: make() };
  hold(next);
  return next.store;
}
