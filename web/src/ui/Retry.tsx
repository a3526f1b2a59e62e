// When a stream that has lost its connection tries again, and a button to try at once.

import { useCallback, useEffect, useRef, useState } from "react";
import { notice as t } from "../text/en.js";

/** What tries again by itself. */
export interface Retrying {
  /** When the next connection is made, in milliseconds since 1970, if that is known. */
  readonly retryAt: number | undefined;
  /** Makes it now. */
  readonly retryNow: () => void;
}

/** Returns a function that returns what it was last called with: the same at each render. */
export function useRetrying(latest: Retrying): () => Retrying {
  const held = useRef(latest);
  held.current = latest;
  return useCallback(() => held.current, []);
}

/** How often the seconds are looked at, in milliseconds. */
const interval = 250;

/**
 * Counts the seconds down. It must not be in a live region, or a screen reader would read
 * out each of them. What tries again is asked for the time, which changes with each failure.
 */
export function Retry({ of }: { of: () => Retrying | undefined }) {
  const [left, setLeft] = useState<number>();
  useEffect(() => {
    const look = () => {
      const at = of()?.retryAt;
      setLeft(at === undefined ? undefined : Math.max(0, Math.ceil((at - Date.now()) / 1_000)));
    };
    look();
    const timer = setInterval(look, interval);
    return () => clearInterval(timer);
  }, [of]);
  return (
    <p className="retry">
      {left !== undefined && <span>{left > 0 ? t.retryIn(left) : t.retrying}</span>}
      <button type="button" onClick={() => of()?.retryNow()}>
        {t.retryNow}
      </button>
    </p>
  );
}
