// The latest lines of a log, in bounded memory.

import type { LogEntry } from "akash-provider-web";

export class Ring {
  #slots: (LogEntry | undefined)[];
  #start = 0;
  #chars = 0;
  #maxChars: number;

  /** The number of lines stored. */
  length = 0;
  /** The number of older lines that were dropped. */
  dropped = 0;

  /** Stores at most maxLines lines with a total of maxChars characters. */
  constructor(maxLines: number, maxChars: number) {
    this.#slots = new Array(maxLines);
    this.#maxChars = maxChars;
  }

  push(entry: LogEntry): void {
    const size = entry.message.length;
    while (
      this.length > 0 &&
      (this.length === this.#slots.length || this.#chars + size > this.#maxChars)
    ) {
      this.#chars -= this.#slots[this.#start]?.message.length ?? 0;
      this.#slots[this.#start] = undefined;
      this.#start = (this.#start + 1) % this.#slots.length;
      this.length--;
      this.dropped++;
    }
    this.#slots[(this.#start + this.length) % this.#slots.length] = entry;
    this.length++;
    this.#chars += size;
  }

  /** Returns the line at index; 0 is the oldest one stored. */
  at(index: number): LogEntry | undefined {
    return this.#slots[(this.#start + index) % this.#slots.length];
  }

  clear(): void {
    this.#slots.fill(undefined);
    this.#start = 0;
    this.#chars = 0;
    this.length = 0;
    this.dropped = 0;
  }
}
