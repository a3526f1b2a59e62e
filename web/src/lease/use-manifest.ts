// Reads and sends the manifest of a lease.

import type { Auth } from "akash-provider-web";
import { useCallback, useEffect, useState } from "react";
import { openClient } from "../client/client.js";
import type { LeaseRef } from "../route/paths.js";

/** The manifest of a lease at its provider. */
export interface ManifestView {
  /** As the provider has it, on lines; undefined until it has been read. */
  readonly text: string | undefined;
  readonly busy: "reading" | "sending" | undefined;
  /** Why it could not be read. */
  readonly error: unknown;
  /** When one was sent, and accepted. */
  readonly sentAt: Date | undefined;
  /** Why one that was sent was not accepted. */
  readonly refusal: unknown;
  readonly read: () => void;
  readonly send: (text: string) => void;
}

type Shown = Omit<ManifestView, "read" | "send">;

const nothing: Shown = {
  text: undefined,
  busy: undefined,
  error: undefined,
  sentAt: undefined,
  refusal: undefined,
};

/** Reads the manifest of a lease. The lease and auth must be the same at each render. */
export function useManifest(lease: LeaseRef, auth: Auth): ManifestView {
  const [round, setRound] = useState(0);
  const [shown, setShown] = useState<Shown>(nothing);
  const change = useCallback(
    (next: Partial<Shown>) => setShown((shown) => ({ ...shown, ...next })),
    [],
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: another round reads again
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    change({ busy: "reading", error: undefined });
    openClient()
      .then((client) => client.getManifest({ provider: lease.provider, lease, auth, signal }))
      .then((result): Partial<Shown> => {
        if (result.status === "error") return { error: result.error };
        return { text: JSON.stringify(result.response, null, 2) };
      })
      .catch((error): Partial<Shown> => ({ error }))
      .then((next) => !signal.aborted && change({ ...next, busy: undefined }));
    return () => abort.abort();
  }, [lease, auth, round]);

  const send = useCallback(
    async (text: string) => {
      change({ busy: "sending", refusal: undefined, sentAt: undefined });
      try {
        const client = await openClient();
        const { provider, owner, dseq } = lease;
        const result = await client.sendManifest({
          provider,
          lease: { owner, dseq, provider },
          manifest: text,
          auth,
        });
        if (result.status === "error") change({ refusal: result.error, busy: undefined });
        else change({ text, sentAt: new Date(), busy: undefined });
      } catch (refusal) {
        change({ refusal, busy: undefined });
      }
    },
    [lease, auth, change],
  );
  return { ...shown, read: useCallback(() => setRound((n) => n + 1), []), send };
}
