// Reads a log into a store, with marks for what happens to the stream and to the pods.

import type {
  LeaseEvent,
  LogEntry,
  LogGap,
  ProviderError,
  Route,
  StreamState,
} from "akash-provider-web";
import type { LogStore } from "./store.js";
import type { LogTexts } from "./texts.js";
import { turn } from "./turn.js";

/** The part of the package's Stream that is used. */
export interface FeedStream<T> {
  batches(): AsyncIterable<T[]>;
  onState(listener: (state: StreamState, error: ProviderError | undefined) => void): unknown;
}

export interface LogFeedStream extends FeedStream<LogEntry> {
  onGap(listener: (gap: LogGap) => void): unknown;
  readonly retryAt: number | undefined;
  retryNow(): void;
  readonly route: Route | undefined;
}

/** The streams of one log. */
export interface FeedSource {
  logs(signal: AbortSignal): Promise<LogFeedStream>;
  /** The events of the lease so far, or with those to come. */
  events?(signal: AbortSignal, follow: boolean): Promise<FeedStream<LeaseEvent>>;
}

export type Phase = "idle" | "stopped" | StreamState;

export interface FeedState {
  phase: Phase;
  /** Why the stream is not open, or has ended. */
  error: ProviderError | undefined;
  /** The protocol with the provider, once it is known. */
  method: "grpc" | "rest" | undefined;
  /** Why the restarts of pods are not shown, if they cannot be. */
  noEvents: ProviderError | undefined;
}

/** What Kubernetes says of a container that ends or starts, or does not. */
const drawn =
  /^(?:Started|Killing|BackOff|Failed|FailedMount|FailedScheduling|OOMKill\w*|Evicted|Preempt\w*|Unhealthy)$/;

/** How many events of before the start are remembered. */
const maxEvents = 10_000;

/** How many lines are added, and for how long, before the page gets its turn. */
const portion = 500;
const slice = 8;

export class Feed {
  readonly #store: LogStore;
  readonly #texts: LogTexts;
  readonly #source: FeedSource;
  readonly #listeners = new Set<() => void>();
  #abort: AbortController | undefined;
  #stream: LogFeedStream | undefined;
  #lostAt: number | undefined;
  #state: FeedState = {
    phase: "idle",
    error: undefined,
    method: undefined,
    noEvents: undefined,
  };

  constructor(store: LogStore, texts: LogTexts, source: FeedSource) {
    this.#store = store;
    this.#texts = texts;
    this.#source = source;
  }

  /** A new object after every change. */
  get state(): FeedState {
    return this.#state;
  }

  readonly onChange = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** When the next connection is made, in milliseconds since 1970, after one has failed. */
  get retryAt(): number | undefined {
    return this.#stream?.retryAt;
  }

  /** Makes the next connection at once. */
  retryNow(): void {
    this.#stream?.retryNow();
  }

  /** Reads the log from its beginning. */
  start(): void {
    this.#abort?.abort();
    this.#stream = undefined;
    const abort = new AbortController();
    this.#abort = abort;
    this.#lostAt = undefined;
    this.#become({
      phase: "connecting",
      error: undefined,
      method: undefined,
      noEvents: undefined,
    });
    void this.#run(abort.signal);
  }

  /** Ends the stream, at the provider, too. */
  stop(): void {
    if (!this.#abort || this.#abort.signal.aborted) return;
    this.#abort.abort();
    if (this.#state.phase === "ended") return;
    this.#store.mark("end", this.#texts.stopped);
    this.#become({ phase: "stopped", error: undefined });
  }

  #become(change: Partial<FeedState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of [...this.#listeners]) listener();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const events = new AbortController();
    signal.addEventListener("abort", () => events.abort());
    void this.#drawEvents(events.signal);
    try {
      await this.#read(signal);
      if (signal.aborted) return;
      this.#store.mark("end", this.#texts.ended);
      this.#become({ phase: "ended", error: undefined });
    } catch (error) {
      if (signal.aborted) return;
      this.#store.mark("error", this.#texts.failed((error as Error).message));
      this.#become({ phase: "ended", error: error as ProviderError });
    } finally {
      events.abort();
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    const stream = await this.#source.logs(signal);
    if (!signal.aborted) this.#stream = stream;
    stream.onState((state, error) => {
      // The end is reported after all lines.
      if (signal.aborted || state === "ended") return;
      this.#stateChanged(state, error, stream.route?.method);
    });
    stream.onGap((gap) => {
      if (!signal.aborted) this.#gap(gap);
    });
    let began = performance.now();
    for await (const batch of stream.batches()) {
      for (let i = 0; i < batch.length; i += portion) {
        await this.#store.room(signal);
        if (signal.aborted) return;
        this.#store.push(batch.slice(i, i + portion));
        if (performance.now() - began < slice) continue;
        await turn();
        began = performance.now();
      }
    }
  }

  #stateChanged(
    phase: StreamState,
    error: ProviderError | undefined,
    method: FeedState["method"],
  ): void {
    if (phase === "reconnecting" && this.#lostAt === undefined) {
      this.#lostAt = Date.now();
      this.#store.mark("lost", this.#texts.lost(error?.message ?? ""));
    } else if (phase === "open" && this.#lostAt !== undefined) {
      this.#store.mark("again", this.#texts.connectedAgain((Date.now() - this.#lostAt) / 1000));
      this.#lostAt = undefined;
    }
    this.#become({ phase, error, method });
  }

  #gap(gap: LogGap): void {
    const { gap: unknown, lostLines } = this.#texts;
    this.#store.mark("gap", gap.lost === null ? unknown : lostLines(gap.lost), gap);
  }

  /** Draws what happens to the lease's pods from now on. */
  async #drawEvents(signal: AbortSignal): Promise<void> {
    if (!this.#source.events) return;
    try {
      // Events have no times, and every stream begins with the existing ones.
      const before = new Map<string, number>();
      for await (const batch of (await this.#source.events(signal, false)).batches()) {
        for (const event of batch) {
          const key = keyOf(event);
          if (before.size < maxEvents) before.set(key, (before.get(key) ?? 0) + 1);
        }
      }
      for await (const batch of (await this.#source.events(signal, true)).batches()) {
        if (signal.aborted) return;
        for (const event of batch) {
          const key = keyOf(event);
          const known = before.get(key) ?? 0;
          if (known > 0) before.set(key, known - 1);
          else this.#drawEvent(event);
        }
      }
    } catch (error) {
      if (!signal.aborted) this.#become({ noEvents: error as ProviderError });
    }
  }

  #drawEvent({ reason, note, object }: LeaseEvent): void {
    if (object?.kind !== "Pod" || !drawn.test(reason)) return;
    this.#store.mark("restart", this.#texts.event(object.name, reason, note));
  }
}

const keyOf = ({ type, reason, note, object }: LeaseEvent) =>
  JSON.stringify([type, reason, note, object]);
