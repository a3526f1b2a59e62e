// Asks a provider for its status, and follows it.

import type { ProviderStatus } from "akash-provider-web";
import { useProviderStatus } from "akash-provider-web/react";
import { useCallback, useEffect, useState } from "react";
import { openClient } from "../client/client.js";
import { remember } from "./recent.js";
import type { About } from "./resources.js";

/** What is known of a provider. */
export interface ProviderView {
  readonly phase: "asking" | "failed" | "shown";
  readonly status: ProviderStatus | undefined;
  readonly about: About | undefined;
  /** When the status arrived. */
  readonly at: Date | undefined;
  readonly error: unknown;
  /** Asks again. */
  readonly ask: () => void;
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
  const [asking, setAsking] = useState(true);
  const [answer, setAnswer] = useState<Answer>({});

  // biome-ignore lint/correctness/useExhaustiveDependencies: another round asks again
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    setAsking(true);
    openClient()
      .then((client) => client.getProviderStatus(address, { signal }))
      .then((result): Answer => {
        if (result.status === "error") return { error: result.error };
        remember(address);
        return { status: result.response, about: result, at: new Date() };
      })
      .catch((error): Answer => ({ error }))
      .then((next) => {
        if (signal.aborted) return;
        setAnswer((before) => (next.error ? { ...before, error: next.error } : next));
        setAsking(false);
      });
    return () => abort.abort();
  }, [address, round]);

  const followed = useProviderStatus(live && !asking && !answer.error ? address : undefined);
  const [at, setAt] = useState<Date>();
  useEffect(() => {
    if (followed.data) setAt(new Date());
  }, [followed.data]);

  const error = answer.error ?? followed.error;
  return {
    phase: asking ? "asking" : error ? "failed" : "shown",
    status: followed.data ?? answer.status,
    about: answer.about,
    at: followed.data ? at : answer.at,
    error: asking ? undefined : error,
    ask: useCallback(() => setRound((n) => n + 1), []),
  };
}
