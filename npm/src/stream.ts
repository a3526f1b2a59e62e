import { asyncDispose } from "./dispose.js";
import type { EngineStream, StreamEvents } from "./engine/engine.js";
import { sliceIsOver, yieldToPage } from "./engine/yielding.js";
import { ProviderError } from "./errors.js";
import type { LogGap, Route, StateListener, StreamState } from "./types.js";

/** How many items are yielded between two checks of the time slice. */
const itemsPerLook = 16;

/**
 * A stream's items in the arrays in which they arrived. (AsyncIterableIterator has a
 * type for the return value only since TypeScript 5.6.)
 */
export interface Batches<T> extends AsyncIterator<T[], undefined> {
  /** Returns this iterator. */
  [Symbol.asyncIterator](): Batches<T>;
}

/**
 * A stream of items from a provider. It can be read once, by one loop, and opens when
 * that loop requests the first item. Leaving the loop ends the stream, including the
 * provider's side. So does {@link close}.
 *
 * ```ts
 * for await (const item of stream) show(item);
 * ```
 *
 * It is read only as fast as the loop runs, and yields to the page about every 8 ms.
 * Errors are thrown as a {@link ProviderError}.
 */
export class Stream<T> implements AsyncIterable<T> {
  readonly #open: () => EngineStream<T>;
  #source: EngineStream<T> | undefined;
  #claimed = false;
  /** The error that ended the stream, once it has ended. */
  #closed: ProviderError | undefined;
  /** Whether the error has been thrown. */
  #over = false;
  #onEnd: () => void = () => {};
  #state: StreamState = "connecting";
  #error: ProviderError | undefined;
  #route: Route | undefined;
  #retryAt: number | undefined;
  readonly #onState = new Set<StateListener>();
  readonly #onRetry = new Set<() => void>();
  readonly #onGap = new Set<(gap: LogGap) => void>();

  /** @internal Receives the engine's events. */
  readonly events: StreamEvents = {
    state: (state, error) => {
      if (this.#state === "ended") return;
      const changed = state !== this.#state || hasNewReason(error, this.#error);
      this.#state = state;
      this.#error = error;
      if (state === "open" || state === "ended") this.#retryAt = undefined;
      if (changed) notify(this.#onState, state, error);
    },
    gap: (gap) => notify(this.#onGap, gap),
    route: (route) => {
      this.#route = route;
    },
    retry: (at) => {
      if (this.#state === "ended") return;
      this.#retryAt = at;
      notify(this.#onRetry);
    },
  };

  /** @internal */
  constructor(open: () => EngineStream<T>) {
    this.#open = open;
  }

  /** @internal Sets a function that is called once when the stream has ended. */
  onEnd(f: () => void): void {
    this.#onEnd = f;
  }

  /**
   * The stream's state. Before it is read, it is `connecting` although it has not
   * started.
   */
  get state(): StreamState {
    return this.#state;
  }

  /**
   * Why the stream is not open: the error of its last connection, while it is
   * `connecting` or `reconnecting` after that; undefined otherwise. The log of a pod
   * that is still starting has an error with the reason `podStarting` here.
   */
  get error(): ProviderError | undefined {
    return this.#error;
  }

  /**
   * How the provider was reached and verified, over the stream's latest connection;
   * undefined before the first one.
   */
  get route(): Route | undefined {
    return this.#route;
  }

  /**
   * When the next connection is made, in milliseconds since 1970, while the stream is not
   * open because one has failed; undefined otherwise. Once that time has passed, the
   * connection is being made.
   */
  get retryAt(): number | undefined {
    return this.#retryAt;
  }

  /** Connects at once, if the stream waits before it connects again. */
  retryNow(): void {
    this.#source?.hurry();
  }

  /** @internal Calls a function whenever {@link retryAt} is set. */
  onRetry(listener: () => void): void {
    this.#onRetry.add(listener);
  }

  /**
   * Calls a function on every change of the state, until the returned function is
   * called. It is also called if the state stays `connecting` or `reconnecting` but
   * the provider gives another reason for it.
   */
  onState(listener: StateListener): () => void {
    this.#onState.add(listener);
    return () => this.#onState.delete(listener);
  }

  /**
   * Calls a function where lines of a log may be missing, before the lines that
   * follow, until the returned function is called.
   */
  onGap(listener: (gap: LogGap) => void): () => void {
    this.#onGap.add(listener);
    return () => this.#onGap.delete(listener);
  }

  /**
   * Returns the items in the arrays in which they arrived, which costs less at high
   * rates than single items.
   *
   * ```ts
   * for await (const entries of stream.batches()) view.append(entries);
   * ```
   */
  batches(): Batches<T> {
    this.#claim();
    const iterator: Batches<T> = {
      next: () => this.#next(),
      return: () => this.#leave(),
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** Returns the items one at a time. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    this.#claim();
    let items: T[] = [];
    let next = 0;
    /** The pending read. Concurrent calls of next wait for it. */
    let reading: Promise<unknown> | undefined;

    const waits = () => next < items.length && !this.#closed;
    const read = async (): Promise<IteratorResult<T, undefined>> => {
      if (next > 0 && sliceIsOver()) await yieldToPage();
      while (!waits()) {
        const result = await this.#next();
        if (result.done) return result;
        items = result.value;
        next = 0;
      }
      return { done: false, value: items[next++] as T };
    };
    return {
      next: () => {
        if (!reading && waits() && next % itemsPerLook !== 0) {
          return Promise.resolve({ done: false, value: items[next++] as T });
        }
        const result = reading ? reading.then(read, read) : read();
        const turn = result
          .catch(() => {})
          .then(() => {
            if (reading === turn) reading = undefined;
          });
        reading = turn;
        return result;
      },
      return: () => this.#leave(),
    };
  }

  #claim(): void {
    if (this.#claimed) throw new TypeError("the stream is being read already");
    this.#claimed = true;
  }

  /** next returns the next items. An error is thrown once; after it comes the end. */
  async #next(): Promise<IteratorResult<T[], undefined>> {
    try {
      if (this.#closed && !this.#over) throw this.#closed;
      if (!this.#over) {
        this.#source ??= this.#open();
        const items = await this.#source.read();
        if (items) return { done: false, value: items };
      }
    } catch (error) {
      if (!this.#over) {
        this.#over = true;
        this.stop(error as ProviderError);
        throw error;
      }
    }
    return this.#leave();
  }

  /** leave ends the stream for its reader. A pending read gets the end. */
  async #leave(): Promise<IteratorReturnResult<undefined>> {
    this.#over = true;
    this.stop(new ProviderError({ code: "CANCELLED", message: "the stream was left" }));
    return { done: true, value: undefined };
  }

  /**
   * Ends the stream. A loop that reads it throws a ProviderError with the code
   * `CANCELLED`.
   */
  async close(): Promise<void> {
    this.stop(new ProviderError({ code: "CANCELLED", message: "the stream was closed" }));
  }

  /** Ends the stream, for `await using`. */
  [asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal Ends the stream with the error. */
  stop(error: ProviderError): void {
    if (this.#closed) return;
    this.#closed = error;
    this.#source?.close(error);
    this.#onEnd();
    this.events.state("ended");
  }
}

/**
 * hasNewReason reports whether an error has a new reason that is not about the
 * connection to the bridge.
 */
function hasNewReason(error: ProviderError | undefined, last: ProviderError | undefined): boolean {
  const reason = error?.reason;
  return reason !== undefined && reason !== last?.reason && !/^(bridge|stream)/.test(reason);
}

/**
 * notify calls listeners. An exception is the page's error and does not affect the stream.
 */
function notify<T extends unknown[]>(
  listeners: Iterable<(...event: T) => void>,
  ...event: T
): void {
  for (const listener of [...listeners]) {
    try {
      listener(...event);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
