import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { ProviderError } from "../errors.js";
import type { LogOptions } from "../options.js";
import type { LogEntry, LogGap, Route } from "../types.js";
import { type ClientOption, useSource } from "./context.js";
import { keyOf } from "./key.js";
import type { Source } from "./source.js";
import { Follower, type FollowState, type Open, type Snapshot } from "./store.js";
import { useStore } from "./use-store.js";

/** The default number of lines kept. */
const defaultMaxLines = 10_000;

/** The logs to follow, and how much of them to keep. */
export interface UseLogsOptions
  extends Omit<LogOptions, "signal" | "onState" | "onGap">,
    ClientOption {
  /**
   * Whether to continue with new lines after the existing ones. Default: true.
   *
   * @example false
   */
  follow?: boolean;
  /**
   * The number of latest lines to keep, at least 1. Default: 10,000. Changing it
   * does not restart the stream.
   *
   * @example 1_000
   */
  maxLines?: number;
}

/** A log line. */
export interface LogLine extends LogEntry {
  /** The line's number since the stream started, from 0: its key in a list. */
  readonly id: number;
}

/** A position in a replica's log where lines may be missing. */
export interface LogsGap extends LogGap {
  /** The id of the line that follows the gap, which may not have arrived yet. */
  readonly before: number;
}

/** The result of {@link useLogs}. */
export interface LogsResult {
  /** The latest lines, oldest first. Every change creates a new array. */
  readonly lines: readonly LogLine[];
  /** The gaps between the lines in {@link lines}. */
  readonly gaps: readonly LogsGap[];
  /** The number of older lines dropped because of `maxLines`. */
  readonly dropped: number;
  readonly state: FollowState;
  /**
   * The error that ended the stream; undefined if it has not ended, or ended normally.
   */
  readonly error: ProviderError | undefined;
  /** Why the stream is not open while it reconnects (`stream.error`). */
  readonly waiting: ProviderError | undefined;
  /** When the next connection is made, after one has failed (`stream.retryAt`). */
  readonly retryAt: number | undefined;
  /** How the provider was reached (`stream.route`). */
  readonly route: Route | undefined;
  readonly paused: boolean;
  /**
   * Stops updating the lines. The stream stays open but is not read, so the provider
   * waits and no lines are lost. The function never changes.
   */
  readonly pause: () => void;
  /** Continues after {@link pause}. The function never changes. */
  readonly resume: () => void;
  /** Removes all lines so far. The function never changes. */
  readonly clear: () => void;
  /** Connects at once instead of waiting until {@link retryAt}. The function never changes. */
  readonly retryNow: () => void;
  /**
   * Reads the log again from its beginning, even after an error. The function never
   * changes.
   */
  readonly restart: () => void;
}

type LogsSnapshot = Snapshot & Pick<LogsResult, "lines" | "gaps" | "dropped" | "paused">;

const idle: LogsSnapshot = {
  lines: [],
  gaps: [],
  dropped: 0,
  state: "idle",
  error: undefined,
  waiting: undefined,
  retryAt: undefined,
  route: undefined,
  fault: undefined,
  paused: false,
};
const connecting: LogsSnapshot = { ...idle, state: "connecting" };

/** LogStore keeps the latest lines of a log. */
export class LogStore extends Follower<LogEntry, LogsSnapshot> {
  #maxLines = defaultMaxLines;
  #lines: LogLine[] = [];
  #gaps: LogsGap[] = [];
  #next = 0;
  /** The id of the first line that was not cleared. */
  #cleared = 0;
  #shown: Pick<LogsSnapshot, "lines" | "gaps" | "dropped"> = idle;
  /** Ends the current pause. */
  #unpause: (() => void) | undefined;
  #paused: Promise<void> | undefined;

  constructor(source: Source, open: Open<LogEntry>) {
    super(source, open);
  }

  setMaxLines(max: number): void {
    if (max === this.#maxLines) return;
    this.#maxLines = max;
    this.#trim();
    this.changed();
  }

  protected take(entries: LogEntry[]): void {
    for (const entry of entries) this.#lines.push({ id: this.#next++, ...entry });
    // Not for every line, since removing lines at the front costs as much as
    // copying the rest.
    if (this.#lines.length > 2 * this.#maxLines) this.#trim();
  }

  #trim(): void {
    if (this.#lines.length > this.#maxLines) this.#lines = this.#lines.slice(-this.#maxLines);
    const first = this.#lines[0]?.id ?? this.#next;
    if (this.#gaps.some(({ before }) => before < first)) {
      this.#gaps = this.#gaps.filter(({ before }) => before >= first);
    }
  }

  protected override gap(gap: LogGap): void {
    this.#gaps = [...this.#gaps, { ...gap, before: this.#next }];
  }

  protected reset(): void {
    this.#endPause();
    this.#next = 0;
    this.#forget();
  }

  #forget(): void {
    this.#lines = [];
    this.#gaps = [];
    this.#cleared = this.#next;
    this.#shown = idle;
  }

  protected override ready(): Promise<void> | undefined {
    return this.#paused;
  }

  protected override released(): void {
    this.#endPause();
  }

  protected make(): LogsSnapshot {
    const paused = this.#paused !== undefined;
    if (!paused) this.#show();
    return { ...this.#shown, ...this.common, paused };
  }

  #show(): void {
    this.#trim();
    const first = this.#lines[0]?.id ?? this.#next;
    const { lines, gaps } = this.#shown;
    const same = lines.length === this.#lines.length && lines.at(-1)?.id === this.#lines.at(-1)?.id;
    this.#shown = {
      lines: same ? lines : this.#lines.slice(),
      gaps: gaps.length === 0 && this.#gaps.length === 0 ? gaps : this.#gaps,
      dropped: first - this.#cleared,
    };
  }

  readonly pause = (): void => {
    if (this.#paused) return;
    this.#show();
    this.#paused = new Promise((resolve) => {
      this.#unpause = resolve;
    });
    this.publish();
  };

  readonly resume = (): void => {
    if (!this.#paused) return;
    this.#endPause();
    this.publish();
  };

  #endPause(): void {
    this.#paused = undefined;
    this.#unpause?.();
    this.#unpause = undefined;
  }

  readonly clear = (): void => {
    this.#forget();
    this.publish();
  };
}

/**
 * Follows the logs of a lease's services while the component is mounted, and keeps the
 * latest lines. At any rate of lines, it renders at most once per frame.
 *
 * ```tsx
 * const { lines, paused, pause, resume } = useLogs({ provider: "akash1…", lease, auth });
 * return <pre onMouseEnter={pause} onMouseLeave={resume}>
 *   {lines.map(({ id, message }) => <div key={id}>{message}</div>)}
 * </pre>;
 * ```
 *
 * Options may be new objects at every render: the stream restarts only if their
 * content changes. A changed `getToken` does not restart it; the one at the start of
 * the stream is used. Without options the hook does nothing (`idle`).
 */
export function useLogs(options: UseLogsOptions | undefined): LogsResult {
  const { client, maxLines = defaultMaxLines, ...call } = options ?? ({} as UseLogsOptions);
  if (!Number.isInteger(maxLines) || maxLines < 1) {
    throw new TypeError(`maxLines must be a whole number from 1, not ${maxLines}`);
  }
  const source = useSource("useLogs", client);
  const store = useStore(
    source,
    options && keyOf(call),
    () =>
      new LogStore(source, options && ((client) => client.streamLogs({ follow: true, ...call }))),
  );
  useEffect(() => store.setMaxLines(maxLines), [store, maxLines]);
  const initial = options ? connecting : idle;
  const snapshot = useSyncExternalStore(store.subscribe, store.getSnapshot, () => initial);
  if (snapshot.fault !== undefined) throw snapshot.fault;
  return useMemo(() => {
    const { fault: _, ...shown } = snapshot;
    const { pause, resume, clear, restart, retryNow } = store;
    return { ...shown, pause, resume, clear, restart, retryNow };
  }, [snapshot, store]);
}
