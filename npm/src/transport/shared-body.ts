// Bodies of streams that share an HTTP/2 connection. Browsers limit the unread data of
// each stream and of all streams together: Chromium to 6 MB and 15 MB, of which it
// returns none to the window before 7.5 MB are read. If a page does not read three
// long logs, nothing else on the connection proceeds. So streams that are behind are
// moved to a connection of their own. Firefox and WebKit have no such limit: they buffer
// whatever comes.

import type { BodyReader } from "./byte-reader.js";

type Result = ReadableStreamReadResult<Uint8Array<ArrayBuffer>>;

/** How much is read ahead of the page, in bytes. */
const ahead = 512 * 1024;

/**
 * The size up to which a piece is copied, so that it does not keep a larger buffer in
 * memory.
 */
const small = 32 * 1024;

/** How often the streams are checked, in milliseconds. */
const interval = 500;

/** A stream that reads more than this between two checks is not behind, in bytes. */
const pace = 1024 * 1024;

/**
 * How many streams may stay behind: in Chromium one, since two would use up the 15 MB. None
 * in other browsers, which buffer without limit.
 */
const allowedBehind = () => ("userAgentData" in (globalThis.navigator ?? {}) ? 1 : 0);

const bodies = new Set<SharedBody>();
let timer: ReturnType<typeof setInterval> | undefined;

/**
 * look moves all streams that are behind, except those that have been so for the shortest
 * time.
 */
function look(): void {
  const behind = [...bodies].filter((body) => body.look());
  behind.sort((a, b) => b.looks - a.looks);
  const moved = behind.slice(0, behind.length - allowedBehind());
  for (const body of moved) body.leave("moved");
}

/** A body that is read ahead of the page, to detect whether the page is behind. */
export class SharedBody implements BodyReader {
  /** Whether it was interrupted to continue on a connection of its own. */
  moved = false;
  /** In how many consecutive checks it was behind. */
  looks = 0;
  readonly #reader: BodyReader;
  #held: Result[] = [];
  #size = 0;
  /** Bytes read since the last check. */
  #read = 0;
  #failure: { error: unknown } | undefined;
  /** The pending read. */
  #pending: Promise<Result> | undefined;
  /** Whether the page is waiting for data. */
  #waiting = false;

  constructor(reader: BodyReader) {
    this.#reader = reader;
    bodies.add(this);
    timer ??= setInterval(look, interval);
    void this.#fill();
  }

  async read(): Promise<Result> {
    const held = this.#held.shift();
    if (held) {
      this.#take(held);
      void this.#fill();
      return held;
    }
    if (this.#failure) throw this.#failure.error;
    this.#pending ??= this.#reader.read();
    this.#waiting = true;
    try {
      const result = await this.#pending;
      this.#read += result.value?.length ?? 0;
      return result;
    } finally {
      this.#waiting = false;
      this.#pending = undefined;
      void this.#fill();
    }
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }

  recycle(piece: Uint8Array<ArrayBuffer>): void {
    this.#reader.recycle?.(piece);
  }

  /** look reports whether the page has been behind for at least two checks. */
  look(): boolean {
    const behind = this.#size >= ahead && this.#read < pace;
    this.looks = behind ? this.looks + 1 : 0;
    this.#read = 0;
    return this.looks >= 2;
  }

  /** leave ends the checks and, if the stream is to be moved, the body. */
  leave(why: "over" | "moved"): void {
    bodies.delete(this);
    if (bodies.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
    this.#held = [];
    this.#size = 0;
    if (why === "over") return;
    this.moved = true;
    this.cancel().catch(() => {});
  }

  #take({ value }: Result): void {
    this.#size -= value?.length ?? 0;
    this.#read += value?.length ?? 0;
  }

  /** kept returns a result whose piece can be buffered. */
  #kept(result: Result): Result {
    const piece = result.value;
    if (!piece || piece.length > small) return result;
    const value = piece.slice();
    this.recycle(piece);
    return { done: false, value };
  }

  /** fill reads ahead until the buffer is full or the page itself is waiting. */
  async #fill(): Promise<void> {
    if (this.#pending) return;
    try {
      while (this.#size < ahead && bodies.has(this)) {
        this.#pending = this.#reader.read();
        const result = await this.#pending;
        if (this.#waiting) return;
        this.#pending = undefined;
        if (!bodies.has(this)) return;
        this.#held.push(this.#kept(result));
        this.#size += result.value?.length ?? 0;
        if (result.done) return;
      }
    } catch (error) {
      if (this.#waiting) return;
      this.#pending = undefined;
      this.#failure = { error };
    }
  }
}
