import type { EngineStream } from "./engine.js";
import { ProviderError } from "./errors.js";
import { breathe, tired } from "./slice.js";

/** Symbol.asyncDispose, also where the platform does not have it yet. */
export const asyncDispose: typeof Symbol.asyncDispose = (Symbol.asyncDispose ??
  Symbol.for("Symbol.asyncDispose")) as typeof Symbol.asyncDispose;

/** How many items are handed out between two looks at the clock. */
const itemsPerLook = 16;

/**
 * What a provider sends piece by piece. It is read once, by one loop, and begins
 * when that loop asks for the first item. Leaving the loop ends it, at the provider
 * too; so does {@link close}.
 *
 * ```ts
 * for await (const item of stream) show(item);
 * ```
 *
 * It asks for more only as fast as it is read, and lets the page breathe about
 * every 8 ms. Failures throw a {@link ProviderError}.
 */
export class Stream<T> implements AsyncIterable<T> {
  readonly #open: () => EngineStream<T>;
  #source: EngineStream<T> | undefined;
  #read = false;
  #closed: ProviderError | undefined;
  #onEnd: () => void = () => {};

  /** @internal */
  constructor(open: () => EngineStream<T>) {
    this.#open = open;
  }

  /** @internal Sets what is called once, when the stream has ended. */
  onEnd(f: () => void): void {
    this.#onEnd = f;
  }

  /**
   * The items in the arrays that they arrived in, which costs less at high rates
   * than one at a time.
   *
   * ```ts
   * for await (const entries of stream.batches()) view.append(entries);
   * ```
   */
  batches(): AsyncIterableIterator<T[]> {
    if (this.#read) throw new TypeError("the stream is being read already");
    this.#read = true;
    return this.#batches();
  }

  async *#batches(): AsyncGenerator<T[], undefined> {
    try {
      for (;;) {
        if (this.#closed) throw this.#closed;
        this.#source ??= this.#open();
        const items = await this.#source.read();
        if (items === undefined) return undefined;
        yield items;
      }
    } finally {
      this.stop(new ProviderError({ code: "CANCELLED", message: "the stream was left" }));
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    const batches = this.batches();
    let items: T[] = [];
    let next = 0;
    /** The read that goes on; calls of next that come meanwhile wait their turn. */
    let reading: Promise<unknown> | undefined;

    const closed = () => this.#closed !== undefined;
    const read = async (): Promise<IteratorResult<T, undefined>> => {
      if (next > 0 && tired()) await breathe();
      while (closed() || next === items.length) {
        const { done, value } = await batches.next();
        if (done) return { done: true, value: undefined };
        items = value;
        next = 0;
      }
      return { done: false, value: items[next++] as T };
    };
    return {
      next() {
        if (!reading && !closed() && next < items.length && next % itemsPerLook !== 0) {
          return Promise.resolve({ done: false, value: items[next++] as T });
        }
        const result = reading ? reading.then(read, read) : read();
        const turn = result.finally(() => {
          if (reading === turn) reading = undefined;
        });
        turn.catch(() => {});
        reading = turn;
        return result;
      },
      async return() {
        items = [];
        next = 0;
        await batches.return?.();
        return { done: true, value: undefined };
      },
    };
  }

  /** Ends the stream. A loop that reads it throws a ProviderError, `CANCELLED`. */
  async close(): Promise<void> {
    this.stop(new ProviderError({ code: "CANCELLED", message: "the stream was closed" }));
  }

  [asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal Ends the stream with the error. */
  stop(error: ProviderError): void {
    if (this.#closed) return;
    this.#closed = error;
    this.#source?.close(error);
    this.#onEnd();
  }
}
