// Asks the chain for the leases of an account.

import type { LeaseList, LeaseState, ListedLease, Trust } from "akash-provider-web";
import { useCallback, useEffect, useState } from "react";
import { openClient } from "../client/client.js";
import type { LeaseRef } from "../route/paths.js";

/** What is known of an account's leases. */
export interface LeasesView {
  readonly asking: boolean;
  readonly list: LeaseList | undefined;
  /** How each lease is known. */
  readonly trust: Trust | undefined;
  readonly error: unknown;
  /** Asks again. */
  readonly ask: () => void;
}

interface Answer {
  readonly key: string;
  readonly list?: LeaseList;
  readonly trust?: Trust | undefined;
  readonly error?: unknown;
}

/** How often the chain is asked again, and how often at most, in milliseconds. */
const interval = 60_000;
const pause = 2_000;

/**
 * Asks for the leases of an account, unless it is undefined: again every minute while the
 * page is seen, and when somebody comes back to it.
 */
export function useLeases(owner: string | undefined, state: LeaseState | "any"): LeasesView {
  const [round, setRound] = useState(0);
  const [answer, setAnswer] = useState<Answer>({ key: "" });
  const [asking, setAsking] = useState(false);
  const key = `${owner} ${state}`;

  // biome-ignore lint/correctness/useExhaustiveDependencies: another round asks again
  useEffect(() => {
    if (!owner) return;
    const abort = new AbortController();
    const { signal } = abort;
    setAsking(true);
    openClient()
      .then((client) => client.listLeases({ owner, state, signal }))
      .then((result): Answer => {
        if (result.status === "error") return { key, error: result.error };
        return { key, list: result.response, trust: result.trust };
      })
      .catch((error): Answer => ({ key, error }))
      .then((next) => {
        if (signal.aborted) return;
        setAnswer(next);
        setAsking(false);
      });
    return () => {
      abort.abort();
      setAsking(false);
    };
  }, [owner, state, round]);

  useEffect(() => {
    if (!owner) return;
    let last = performance.now();
    const again = () => {
      if (document.hidden || performance.now() - last < pause) return;
      last = performance.now();
      setRound((n) => n + 1);
    };
    const timer = setInterval(again, interval);
    addEventListener("focus", again);
    return () => {
      clearInterval(timer);
      removeEventListener("focus", again);
    };
  }, [owner]);

  const current = owner !== undefined && answer.key === key ? answer : undefined;
  return {
    asking,
    list: current?.list,
    trust: current?.trust,
    error: current?.error,
    ask: useCallback(() => setRound((n) => n + 1), []),
  };
}

/** What the chain says of one lease. */
export interface LeaseRecord extends Omit<LeasesView, "list"> {
  readonly record: ListedLease | undefined;
}

/** Asks the chain for one lease, which is among the newest of its owner. */
export function useLeaseRecord({ owner, dseq, gseq, oseq, provider }: LeaseRef): LeaseRecord {
  const { list, ...view } = useLeases(owner, "any");
  const record = list?.leases.find(
    ({ lease }) =>
      `${lease.dseq}` === dseq &&
      lease.gseq === gseq &&
      lease.oseq === oseq &&
      lease.provider === provider,
  );
  return { ...view, record };
}
