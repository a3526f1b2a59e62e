import type { Client } from "../client.js";
import type { ProviderError } from "../errors.js";
import type { Stream } from "../stream.js";
import type { LogGap, Route, StreamState } from "../types.js";
import { nextFrame } from "./frame.js";
import type { Source } from "./source.js";

/**
 * The state of a hook: `idle` if there is nothing to follow, else the state of its
 * stream. It is `connecting` while the client itself is being created.
 */
export type FollowState = "idle" | StreamState;

/** The common part of every hook's result. Every change creates a new object. */
export interface Snapshot {
  readonly state: FollowState;
  /**
   * The error that ended the stream; undefined if it has not ended, or ended normally.
   */
  readonly error: ProviderError | undefined;
  /** Why the stream is not open while it reconnects: `stream.error`. */
  readonly waiting: ProviderError | undefined;
  /** When the next connection is made, after one has failed: `stream.retryAt`. */
  readonly retryAt: number | undefined;
  /** How the provider was reached: `stream.route`. */
  readonly route: Route | undefined;
  /** An error of the program rather than the provider. Hooks throw it. */
  readonly fault: unknown;
}

/** One reading of a stream from its beginning. */
interface Run {
  stopped: boolean;
  stop(): void;
  stream?: Stream<unknown>;
}

/** What a store follows: a stream opened by a client; undefined for nothing. */
export type Open<T> = ((client: Client) => Stream<T>) | undefined;

/**
 * Follower reads a stream while it has listeners, and notifies them at most once per
 * frame. It is an external store for React's useSyncExternalStore. A new one does
 * nothing yet, so that a render may be discarded.
 */
export abstract class Follower<T, S extends Snapshot> {
  readonly #source: Source;
  readonly #open: Open<T>;
  readonly #listeners = new Set<() => void>();
  #run: Run | undefined;
  #began = false;
  #snapshot: S | undefined;
  #cancelFrame: (() => void) | undefined;
  protected state: FollowState;
  protected error: ProviderError | undefined;
  protected waiting: ProviderError | undefined;
  protected fault: unknown;

  constructor(source: Source, open: Open<T>) {
    this.#source = source;
    this.#open = open;
    this.state = open ? "connecting" : "idle";
  }

  /** take processes what has arrived. */
  protected abstract take(items: T[]): void;
  /** gap is called where lines of a log may be missing. */
  protected gap(_gap: LogGap): void {}
  /** reset discards what was read before the stream is read again. */
  protected abstract reset(): void;
  /** make creates a snapshot of the current values. */
  protected abstract make(): S;
  /** The part of a snapshot that all have. */
  protected get common(): Snapshot {
    const { state, error, waiting, fault } = this;
    const { retryAt, route } = this.#run?.stream ?? {};
    return { state, error, waiting, retryAt, route, fault };
  }
  /** ready returns a promise to wait for before reading on, or undefined. */
  protected ready(): Promise<void> | undefined {
    return undefined;
  }
  /** released is called when there are no more listeners and the stream is closed. */
  protected released(): void {}

  readonly getSnapshot = (): S => {
    this.#snapshot ??= this.make();
    return this.#snapshot;
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (!this.#run) this.#begin();
    return () => {
      this.#listeners.delete(listener);
      // Strict Mode and reordered lists subscribe again at once.
      queueMicrotask(() => {
        if (this.#listeners.size > 0 || !this.#run) return;
        this.#end();
        this.released();
      });
    };
  };

  /** Reads the stream again from its beginning. */
  readonly restart = (): void => {
    if (this.#listeners.size === 0) return;
    this.#end();
    this.#begin();
  };

  /** Connects at once instead of waiting. */
  readonly retryNow = (): void => this.#run?.stream?.retryNow();

  /** changed notifies listeners with the next frame. */
  protected changed(): void {
    this.#cancelFrame ??= nextFrame(() => this.publish());
  }

  /** publish notifies listeners now. */
  protected publish(): void {
    this.#cancelFrame?.();
    this.#cancelFrame = undefined;
    this.#snapshot = this.make();
    for (const listener of [...this.#listeners]) listener();
  }

  #begin(): void {
    const run: Run = {
      stopped: false,
      stop: () => {
        run.stopped = true;
      },
    };
    this.#run = run;
    if (!this.#open) return;
    if (this.#began) {
      this.reset();
      this.error = undefined;
      this.waiting = undefined;
      this.fault = undefined;
      this.state = "connecting";
      this.publish();
    }
    this.#began = true;
    this.#read(run, this.#open).then(
      () => this.#become(run, "ended"),
      (error) => {
        if (run.stopped) return;
        if (error instanceof Error && error.name === "ProviderError") {
          this.error = error as ProviderError;
        } else {
          this.fault = error;
        }
        this.#become(run, "ended");
      },
    );
  }

  #end(): void {
    this.#run?.stop();
    this.#run = undefined;
    this.#cancelFrame?.();
    this.#cancelFrame = undefined;
  }

  async #read(run: Run, open: (client: Client) => Stream<T>): Promise<void> {
    const client = await this.#source.get();
    if (run.stopped) return;
    const stream = open(client);
    run.stream = stream;
    run.stop = () => {
      run.stopped = true;
      void stream.close();
    };
    // The end is reported after all items.
    stream.onState((state, error) => state !== "ended" && this.#become(run, state, error));
    stream.onRetry(() => !run.stopped && this.changed());
    stream.onGap((gap) => {
      if (run.stopped) return;
      this.gap(gap);
      this.changed();
    });
    for await (const items of stream.batches()) {
      if (run.stopped) return;
      this.take(items);
      this.changed();
      await this.ready();
      if (run.stopped) return;
    }
  }

  #become(run: Run, state: FollowState, waiting?: ProviderError): void {
    if (run.stopped || (state === this.state && waiting === this.waiting)) return;
    this.state = state;
    this.waiting = waiting;
    this.changed();
  }
}
