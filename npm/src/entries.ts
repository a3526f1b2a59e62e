import { type Batch, continues, inAscii, type Texts } from "./engine.js";
import type { LogEntry } from "./types.js";

/** Made once, and not before it is needed. A byte order mark is text like any other. */
let decoder: TextDecoder | undefined;

/**
 * logEntries makes the lines of a batch. The lines of a group share one decoded
 * text, of about 4 KiB: that much memory a line keeps which is kept.
 */
export function logEntries({ ascii, utf8, index, services }: Batch): LogEntry[] {
  const entries = new Array<LogEntry>(index.length / 3);
  const plain = new Reader(ascii);
  const others = new Reader(utf8);
  for (let i = 0, at = 0; i < entries.length; i++, at += 3) {
    const id = index[at] as number;
    const end = index[at + 2] as number;
    const entry: LogEntry = {
      service: services[id & ~(continues | inAscii)] as string,
      replica: index[at + 1] as number,
      message: id & inAscii ? plain.next(end) : others.next(end),
    };
    if (id >= continues) entry.continues = true;
    entries[i] = entry;
  }
  return entries;
}

/** Reads texts, a group at a time. */
class Reader {
  readonly #texts: Texts;
  /** The next group, and where it begins. */
  #group = 0;
  #byte = 0;
  /** The text of the current one, and how much of it has been read. */
  #text = "";
  #start = 0;
  /** How many entries have been read, and how many up to the end of the group. */
  #read = 0;
  #last = 0;

  constructor(texts: Texts) {
    this.#texts = texts;
  }

  next(end: number): string {
    if (this.#read === this.#last) this.#decode();
    this.#read++;
    const text = this.#text.substring(this.#start, end);
    this.#start = end;
    return text;
  }

  #decode(): void {
    const { bytes, groups } = this.#texts;
    const end = groups[this.#group] as number;
    decoder ??= new TextDecoder("utf-8", { ignoreBOM: true });
    this.#text = decoder.decode(bytes.subarray(this.#byte, end));
    this.#byte = end;
    this.#start = 0;
    this.#last = groups[this.#group + 1] as number;
    this.#group += 2;
  }
}

/** jsonItems makes the messages of a batch, each of which is JSON. */
export function jsonItems(batch: Batch): unknown[] {
  return logEntries(batch).map(({ message }) => JSON.parse(message));
}
