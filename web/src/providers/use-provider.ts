// Asks a provider for its status, and follows it.

import type { ProviderStatus } from "akash-provider-web";
import { useProviderStatus } from "akash-provider-web/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { openClient } from "../client/client.js";
import { type Retrying, useRetrying } from "../ui/Retry.js";
import type { About } from "./resources.js";

/** What is known of a provider. */
export interface ProviderView {
  /**
   * asking: for the first time, or again. shown: what is shown was asked for once. live: it is
   * followed. stale: it was, and the connection is being made again. ended: it was followed,
   * and no longer is.
   */
  readonly phase: "asking" | "cancelled" | "failed" | "shown" | "live" | "stale" | "ended";
  readonly status: ProviderStatus | undefined;
  readonly about: About | undefined;
  /** When the status arrived. */
  readonly at: Date | undefined;
  /** Since when the provider is being asked. */
  readonly since: number;
  readonly error: unknown;
  /** Asks again. */
  readonly ask: () => void;
  /** Asks no longer. */
  readonly cancel: () => void;
  /** Returns what tries again while it is stale. The same function at each render. */
  readonly retrying: () => Retrying;
}

interface Answer {
  readonly status?: ProviderStatus;
  readonly about?: About;
  readonly at?: Date;
  readonly error?: unknown;
}

/** Asks a provider once, and then follows its status while live. */
export function useProvider(address: string, live: boolean): ProviderView {
  const [round, setRound] = useState(0);
  const [since, setSince] = useState(Date.now);
  const [asking, setAsking] = useState<"asking" | "cancelled" | "answered">("asking");
  const [answer, setAnswer] = useState<Answer>({});
  const abort = useRef<AbortController>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another round asks again
  useEffect(() => {
    const own = new AbortController();
    abort.current = own;
    const { signal } = own;
    setAsking("asking");
    setSince(Date.now());
    openClient()
      .then((client) => client.getProviderStatus(address, { signal }))
      .then((result): Answer => {
        if (result.status === "error") return { error: result.error };
        return { status: result.response, about: result, at: new Date() };
      })
      .catch((error): Answer => ({ error }))
      .then((next) => {
        if (signal.aborted) return;
        setAnswer((before) => (next.error ? { ...before, error: next.error } : next));
        setAsking("answered");
      });
    return () => own.abort();
  }, [address, round]);

  const follows = live && asking === "answered" && !answer.error;
  const followed = useProviderStatus(follows ? address : undefined);
  const [latest, setLatest] = useState<Answer>({});
  const { data } = followed;
  useEffect(() => {
    if (data) setLatest({ status: data, at: new Date() });
  }, [data]);

  const newer = (latest.at?.getTime() ?? 0) > (answer.at?.getTime() ?? 0) ? latest : answer;
  const error = asking === "answered" ? (answer.error ?? followed.error) : undefined;
  return {
    phase: phaseOf(asking, answer.error, follows, followed),
    status: newer.status,
    about: answer.about,
    at: newer.at,
    since,
    error,
    retrying: useRetrying(followed),
    ask: useCallback(() => {
      setRound((n) => n + 1);
    }, []),
    cancel: useCallback(() => {
      abort.current?.abort();
      setAsking("cancelled");
    }, []),
  };
}

function phaseOf(
  asking: "asking" | "cancelled" | "answered",
  failed: unknown,
  follows: boolean,
  followed: { state: string; error: unknown },
): ProviderView["phase"] {
  if (asking !== "answered") return asking;
  if (failed) return "failed";
  if (!follows) return "shown";
  if (followed.state === "ended") return "ended";
  if (followed.state === "reconnecting") return "stale";
  return followed.state === "open" ? "live" : "shown";
}
