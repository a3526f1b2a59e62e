// Asks all providers of the chain for their status, again and again.

import { useCallback, useEffect, useRef, useState } from "react";
import { openClient } from "../client/client.js";
import { asking, type Row, rowOf } from "./rows.js";

/** How long after one round the next one begins, in milliseconds. */
const pause = 60_000;

/** How often what has arrived is shown, in milliseconds. */
const tick = 200;

/** How long a provider may take, in milliseconds. */
const timeoutMs = 10_000;

/** What is known of all providers. */
export interface Discovery {
  readonly rows: readonly Row[];
  /** How many of them have answered in the present round. */
  readonly asked: number;
  /** Whether a round is going on. */
  readonly busy: boolean;
  /** When the last round was complete. */
  readonly at: Date | undefined;
  /** Why the list of providers is not known. */
  readonly error: unknown;
  /** Asks again. */
  readonly ask: () => void;
  /** Ends the present round. */
  readonly stop: () => void;
}

type State = Omit<Discovery, "ask" | "stop">;

const nothing: State = { rows: [], asked: 0, busy: true, at: undefined, error: undefined };

/** What was known when the view was left, which is shown until there is something newer. */
let last: State = nothing;

/** Asks all providers, and again after a while if live. A page in the background waits. */
export function useDiscovery(live: boolean): Discovery {
  const [state, setState] = useState<State>(last);
  const [round, setRound] = useState(0);
  const abort = useRef<AbortController>(null);
  const ask = useCallback(() => setRound((n) => n + 1), []);
  const stop = useCallback(() => abort.current?.abort(), []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another round asks again
  useEffect(() => {
    const own = new AbortController();
    abort.current = own;
    let left = false;
    void discover(own.signal, (next) => {
      if (left) return;
      last = next;
      setState(next);
    });
    return () => {
      left = true;
      own.abort();
      // What is known stays, for the next time; nobody asks any more.
      last = { ...last, busy: false };
    };
  }, [round]);

  const { busy } = state;
  useEffect(() => {
    if (!live || busy) return;
    const timer = setInterval(() => document.hidden || ask(), pause);
    return () => clearInterval(timer);
  }, [live, busy, ask]);

  return { ...state, ask, stop };
}

/** Asks all providers once. */
async function discover(signal: AbortSignal, show: (state: State) => void): Promise<void> {
  const rows = new Map(last.rows.map((row) => [row.address, row]));
  let asked = 0;
  let state: State = { ...last, asked, busy: true, error: undefined };
  const publish = (changes: Partial<State> = {}) => {
    state = { ...state, rows: [...rows.values()], asked, ...changes };
    show(state);
  };
  publish();
  const timer = setInterval(publish, tick);
  try {
    const client = await openClient();
    const list = await client.listProviders({ signal });
    if (list.status === "error") throw list.error;
    const { providers } = list.response;
    const listed = new Set(providers);
    for (const address of rows.keys()) if (!listed.has(address)) rows.delete(address);
    for (const address of providers) {
      if (!rows.has(address)) rows.set(address, asking(address));
    }
    publish();
    for await (const result of client.discoverProviders(providers, {
      signal,
      timeoutMs,
      retries: 0,
    })) {
      if (signal.aborted) break;
      asked++;
      rows.set(result.provider, rowOf(result));
    }
    publish({ busy: false, ...(!signal.aborted && { at: new Date() }) });
  } catch (error) {
    publish({ busy: false, ...(!signal.aborted && { error }) });
  } finally {
    clearInterval(timer);
  }
}
