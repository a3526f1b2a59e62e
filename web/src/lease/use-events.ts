// Follows the events of a lease.

import type { Auth, LeaseEvent, ProviderError, Stream, StreamState } from "akash-provider-web";
import { useCallback, useEffect, useRef, useState } from "react";
import { openClient } from "../client/client.js";
import type { LeaseRef } from "../route/paths.js";
import type { Retrying } from "../ui/Retry.js";
import { keep, type SeenEvent } from "./events.js";

/** The events of a lease so far. */
export interface EventsView {
  readonly events: readonly SeenEvent[];
  readonly state: StreamState;
  /** Why the stream is not open while it reconnects. */
  readonly waiting: ProviderError | undefined;
  /** The error that ended it. */
  readonly error: unknown;
  readonly restart: () => void;
  /** Returns what tries again. The same function at each render. */
  readonly retrying: () => Retrying | undefined;
}

const nothing = { events: [], state: "connecting", waiting: undefined, error: undefined } as const;

/** Follows the events of a lease. The lease and auth must be the same objects at each render. */
export function useEvents(lease: LeaseRef, auth: Auth | undefined): EventsView {
  const [round, setRound] = useState(0);
  const [view, setView] = useState<Omit<EventsView, "restart" | "retrying">>(nothing);
  const followed = useRef<Stream<LeaseEvent>>(undefined);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another round starts again
  useEffect(() => {
    if (!auth) return;
    const abort = new AbortController();
    const { signal } = abort;
    const change = (next: Partial<EventsView>) =>
      !signal.aborted && setView((view) => ({ ...view, ...next }));
    setView(nothing);
    const read = async () => {
      const client = await openClient();
      const stream = client.streamLeaseEvents({
        provider: lease.provider,
        lease,
        follow: true,
        auth,
        signal,
        onState: (state, waiting) => change({ state, waiting }),
      });
      followed.current = stream;
      for await (const batch of stream.batches()) {
        if (signal.aborted) return;
        const at = new Date();
        setView((view) => ({ ...view, events: keep(view.events, batch, at) }));
      }
    };
    read().then(
      () => change({ state: "ended" }),
      (error) => change({ state: "ended", error }),
    );
    return () => abort.abort();
  }, [lease, auth, round]);

  return {
    ...view,
    restart: useCallback(() => setRound((n) => n + 1), []),
    retrying: useCallback(() => followed.current, []),
  };
}
