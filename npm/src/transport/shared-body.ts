// Bodies of streams that share one HTTP/2 connection. Browsers bound what may wait to
// be read of a stream, and what of all together: Chromium 6 MB and 15, of which it gives
// back none before it has 7.5. What a page does not read of three long logs holds up
// everything else on the connection. So streams that are behind are told to go apart,
// over a connection of their own.

import type { BodyReader } from "./byte-reader.js";

type Result = ReadableStreamReadResult<Uint8Array<ArrayBuffer>>;

/** How much is read ahead of the page, in bytes. */
const ahead = 512 * 1024;

/** Up to how many bytes a piece is copied, so that it does not hold more memory than its own. */
const small = 32 * 1024;

/** How often there is a look at who is behind, in milliseconds. */
const interval = 500;

/** Who reads more than this between two looks is not behind, in bytes. */
const pace = 1024 * 1024;

/** How many may stay behind. Two would leave the others none of the 15 MB. */
const patience = 1;

const bodies = new Set<SharedBody>();
let timer: ReturnType<typeof setInterval> | undefined;

/** look sends all apart that are behind but those that have been so for the shortest. */
function look(): void {
  const behind = [...bodies].filter((body) => body.look());
  behind.sort((a, b) => b.looks - a.looks);
  for (const body of behind.slice(0, -patience)) body.leave("moved");
}

/** A body that is read somewhat ahead of the page, so that it is known who is behind. */
export class SharedBody implements BodyReader {
  /** Whether it was broken off, to come again over a connection of its own. */
  moved = false;
  /** How many looks in a row it was behind. */
  looks = 0;
  readonly #reader: BodyReader;
  #held: Result[] = [];
  #size = 0;
  /** What was read since the last look, in bytes. */
  #read = 0;
  #failure: { error: unknown } | undefined;
  /** The read ahead that goes on. */
  #pending: Promise<Result> | undefined;
  /** Whether the page waits for it. */
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

  /** look reports whether the page is behind, by two looks at least. */
  look(): boolean {
    const behind = this.#size >= ahead && this.#read < pace;
    this.looks = behind ? this.looks + 1 : 0;
    this.#read = 0;
    return this.looks >= 2;
  }

  /** leave ends the looks, and where the stream is to be moved, the body. */
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

  /** kept returns a result whose piece may wait. */
  #kept(result: Result): Result {
    const piece = result.value;
    if (!piece || piece.length > small) return result;
    const value = piece.slice();
    this.recycle(piece);
    return { done: false, value };
  }

  /** fill reads ahead until that is enough, or the page waits itself. */
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
