import type { EngineStream, StreamEvents } from "./engine/engine.js";
import { sliceIsOver, yieldToPage } from "./engine/yielding.js";
import { ProviderError } from "./errors.js";
import type { LogGap, StateListener, StreamState } from "./types.js";

declare global {
  // What `await using` needs of TypeScript's library, as it has it since 5.2 where its
  // esnext.disposable is asked for, which projects with stock settings do not do.
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }
  interface Disposable {
    [Symbol.dispose](): void;
  }
  interface AsyncDisposable {
    [Symbol.asyncDispose](): PromiseLike<void>;
  }
}

/** Symbol.asyncDispose, also where the platform does not have it yet. */
export const asyncDispose: typeof Symbol.asyncDispose = (Symbol.asyncDispose ??
  Symbol.for("Symbol.asyncDispose")) as typeof Symbol.asyncDispose;

/** How many items are handed out between two looks at the clock. */
const itemsPerLook = 16;

/**
 * A stream's items in the arrays that they arrived in. (An AsyncIterableIterator tells
 * what it returns at its end only since TypeScript 5.6.)
 */
export interface Batches<T> extends AsyncIterator<T[], undefined> {
  /** These arrays themselves. */
  [Symbol.asyncIterator](): Batches<T>;
}

/**
 * What a provider sends piece by piece. It is read once, by one loop, and begins
 * when that loop asks for the first item. Leaving the loop ends it, at the provider
 * too; so does {@link close}.
 *
 * ```ts
 * for await (const item of stream) show(item);
 * ```
 *
 * It asks for more only as fast as it is read, and yields to the page about
 * every 8 ms. Failures throw a {@link ProviderError}.
 */
export class Stream<T> implements AsyncIterable<T> {
  readonly #open: () => EngineStream<T>;
  #source: EngineStream<T> | undefined;
  #claimed = false;
  /** Why nothing more comes, once that is so. */
  #closed: ProviderError | undefined;
  /** Whether the reader knows. */
  #over = false;
  #onEnd: () => void = () => {};
  #state: StreamState = "connecting";
  #error: ProviderError | undefined;
  readonly #onState = new Set<StateListener>();
  readonly #onGap = new Set<(gap: LogGap) => void>();

  /** @internal What the engine tells. */
  readonly events: StreamEvents = {
    state: (state, error) => {
      if (this.#state === "ended") return;
      const told = state !== this.#state || isProviders(error, this.#error);
      this.#state = state;
      this.#error = error;
      if (told) tell(this.#onState, state, error);
    },
    gap: (gap) => tell(this.#onGap, gap),
  };

  /** @internal */
  constructor(open: () => EngineStream<T>) {
    this.#open = open;
  }

  /** @internal Sets what is called once, when the stream has ended. */
  onEnd(f: () => void): void {
    this.#onEnd = f;
  }

  /** What the stream is doing. Before it is read it is `connecting`, though it waits. */
  get state(): StreamState {
    return this.#state;
  }

  /**
   * Why the stream is not open: how its last connection failed, while it is
   * `connecting` or `reconnecting` after that; undefined otherwise. A log that is
   * followed while its pod starts has an error here whose reason is `podStarting`.
   */
  get error(): ProviderError | undefined {
    return this.#error;
  }

  /**
   * Has a function called whenever the state changes, until the function returned is
   * called; also where the state stays `connecting` or `reconnecting`, and the provider
   * has another reason for it.
   */
  onState(listener: StateListener): () => void {
    this.#onState.add(listener);
    return () => this.#onState.delete(listener);
  }

  /**
   * Has a function called where lines of a log may be missing, before the lines that
   * follow, until the function returned is called.
   */
  onGap(listener: (gap: LogGap) => void): () => void {
    this.#onGap.add(listener);
    return () => this.#onGap.delete(listener);
  }

  /**
   * The items in the arrays that they arrived in, which costs less at high rates
   * than one at a time.
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

  /** The items, one at a time. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    this.#claim();
    let items: T[] = [];
    let next = 0;
    /** The read that goes on; calls of next that come meanwhile wait their turn. */
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

  /** next returns the next items. A failure is thrown once; after it comes the end. */
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

  /** leave ends the stream at the reader's wish; a read that waits gets the end. */
  async #leave(): Promise<IteratorReturnResult<undefined>> {
    this.#over = true;
    this.stop(new ProviderError({ code: "CANCELLED", message: "the stream was left" }));
    return { done: true, value: undefined };
  }

  /** Ends the stream. A loop that reads it throws a ProviderError, `CANCELLED`. */
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
 * isProviders reports whether an error has a reason that the last one had not, and that
 * is not about the way to the bridge.
 */
function isProviders(error: ProviderError | undefined, last: ProviderError | undefined): boolean {
  const reason = error?.reason;
  return reason !== undefined && reason !== last?.reason && !/^(bridge|stream)/.test(reason);
}

/** tell calls listeners. What one throws is the page's, not the stream's. */
function tell<T extends unknown[]>(listeners: Iterable<(...event: T) => void>, ...event: T): void {
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
