import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { ProviderError } from "../errors.js";
import type { LogOptions } from "../options.js";
import type { LogEntry, LogGap } from "../types.js";
import { type ClientOption, useSource } from "./context.js";
import { useStore } from "./held.js";
import { keyOf } from "./key.js";
import type { Source } from "./source.js";
import { Follower, type FollowState, type Open, type Snapshot } from "./store.js";

/** How many lines are kept unless the page says otherwise. */
const defaultMaxLines = 10_000;

/** Which logs to follow, and how much of them to keep. */
export interface UseLogsOptions
  extends Omit<LogOptions, "signal" | "onState" | "onGap">,
    ClientOption {
  /**
   * Whether to go on after the history. Default: true.
   *
   * @example false
   */
  follow?: boolean;
  /**
   * How many lines are kept, from 1: the latest. Default: 10,000. A change keeps the
   * stream.
   *
   * @example 1_000
   */
  maxLines?: number;
}

/** One line of a log. */
export interface LogLine extends LogEntry {
  /** The number of the line since the stream started, from 0: its key in a list. */
  readonly id: number;
}

/** A place in a replica's log where lines may be missing. */
export interface LogsGap extends LogGap {
  /** The id of the line before which it is, which may not have come yet. */
  readonly before: number;
}

/** What {@link useLogs} tells. */
export interface LogsResult {
  /** The latest lines, oldest first. The array is another one when they change. */
  readonly lines: readonly LogLine[];
  /** Where lines may be missing, among those in {@link lines}. */
  readonly gaps: readonly LogsGap[];
  /** How many older lines were let go of to keep to `maxLines`. */
  readonly dropped: number;
  readonly state: FollowState;
  /** Why the stream ended; undefined where it did not, or ended well. */
  readonly error: ProviderError | undefined;
  /** Why the stream is not open, while it tries again ({@link Stream.error}). */
  readonly waiting: ProviderError | undefined;
  readonly paused: boolean;
  /**
   * Holds the lines as they are. The stream stays open and is not read, so that the
   * provider waits and nothing is lost that comes meanwhile. Always the same function.
   */
  readonly pause: () => void;
  /** Goes on after {@link pause}. Always the same function. */
  readonly resume: () => void;
  /** Lets go of all lines so far. Always the same function. */
  readonly clear: () => void;
  /** Reads the log again from its beginning, also after an error. Always the same function. */
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
  /** Ends the pause that is on. */
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
    // Rarely, since what is cut off at the front costs as much as what stays.
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
    const { state, error, waiting, fault } = this;
    return { ...this.#shown, state, error, waiting, fault, paused };
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
 * Follows the logs of a lease's services for as long as the component is there, and
 * keeps the latest lines. However fast they come, it renders once a frame at most.
 *
 * ```tsx
 * const { lines, paused, pause, resume } = useLogs({ provider: "akash1…", lease, auth });
 * return <pre onMouseEnter={pause} onMouseLeave={resume}>
 *   {lines.map(({ id, message }) => <div key={id}>{message}</div>)}
 * </pre>;
 * ```
 *
 * Options may be written anew at every render: the stream starts again only where they
 * mean something else. A `getToken` does not count; that of the render at which the
 * stream started is asked. Without options the hook does nothing (`idle`).
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
    const { lines, gaps, dropped, state, error, waiting, paused } = snapshot;
    const { pause, resume, clear, restart } = store;
    return { lines, gaps, dropped, state, error, waiting, paused, pause, resume, clear, restart };
  }, [snapshot, store]);
}
