// Downloads and uploads that are in progress or have ended.

import type { Auth, FileSummary } from "akash-provider-web";
import { useEffect, useRef, useState } from "react";
import { openClient } from "../client/client.js";
import type { LeaseRef } from "../route/paths.js";
import type { Container } from "./PickReplica.js";
import type { Sink } from "./save.js";

/** A transfer. */
export interface Transfer {
  readonly id: number;
  readonly kind: "download" | "upload";
  readonly path: string;
  readonly phase: "running" | "done" | "failed" | "cancelled";
  /** In bytes. total is undefined if nobody knows it. */
  readonly transferred: number;
  readonly total: number | undefined;
  readonly summary?: FileSummary;
  readonly error?: unknown;
}

/** What is transferred. */
export interface Job {
  readonly container: Container;
  readonly path: string;
  readonly directory: boolean;
  /** Where a download goes, or what is uploaded. */
  readonly sink?: Sink;
  readonly file?: File;
}

export interface Transfers {
  readonly list: readonly Transfer[];
  readonly start: (job: Job) => void;
  readonly cancel: (id: number) => void;
  /** Removes one that has ended. */
  readonly forget: (id: number) => void;
}

/** How often progress is shown, in milliseconds. */
const pace = 100;

/** Transfers files of a lease. What runs is cancelled when the component unmounts. */
export function useTransfers(lease: LeaseRef, auth: Auth): Transfers {
  const [list, setList] = useState<readonly Transfer[]>([]);
  const running = useRef(new Map<number, AbortController>());
  const last = useRef(0);

  useEffect(() => {
    const all = running.current;
    return () => {
      for (const abort of all.values()) abort.abort();
    };
  }, []);

  function start({ container, path, directory, sink, file }: Job) {
    const id = ++last.current;
    const abort = new AbortController();
    running.current.set(id, abort);
    const kind = file ? "upload" : "download";
    setList((list) => [
      { id, kind, path, phase: "running", transferred: 0, total: file?.size },
      ...list,
    ]);
    const change = (next: Partial<Transfer>) =>
      setList((list) => list.map((one) => (one.id === id ? { ...one, ...next } : one)));
    let shown = 0;
    const onProgress = (progress: { transferred: number; total: number | undefined }) => {
      if (performance.now() - shown < pace) return;
      shown = performance.now();
      change(progress);
    };
    const options = {
      ...{ provider: lease.provider, lease, auth, ...container },
      ...{ path, directory, onProgress, signal: abort.signal },
    };
    const run = async (): Promise<FileSummary> => {
      const client = await openClient();
      if (file) {
        const result = await client.uploadFile({ ...options, data: file });
        if (result.status === "error") throw result.error;
        return result.response;
      }
      if (!sink) throw new TypeError("a download goes nowhere");
      const result = await client.downloadFile(options);
      if (result.status === "error") {
        await sink.stream.abort().catch(() => {});
        throw result.error;
      }
      const { stream, done } = result.response;
      done.catch(() => {}); // the stream fails with the same error
      await stream.pipeTo(sink.stream);
      const summary = await done;
      sink.finish();
      return summary;
    };
    run()
      .then(
        (summary) =>
          change({ phase: "done", summary, transferred: summary.size, total: summary.size }),
        (error) =>
          change(abort.signal.aborted ? { phase: "cancelled" } : { phase: "failed", error }),
      )
      .finally(() => running.current.delete(id));
  }

  return {
    list,
    start,
    cancel: (id) => running.current.get(id)?.abort(),
    forget: (id) => setList((list) => list.filter((one) => one.id !== id)),
  };
}
