import type { LogEntry } from "../types.js";
import { type Batch, continues, inAscii, type Texts } from "./engine.js";
import { asciiPlace, makeStrings, room, type Strings, utf8Place } from "./strings.js";

/** Made once, and not before they are needed; null where the platform cannot. */
let strings: Strings | null | undefined;

/** For what strings do not make. A byte order mark is text like any other. */
let decoder: TextDecoder | undefined;

/**
 * logEntries makes the lines of a batch, each a string of its own. Where there must be
 * a decoder, the lines of a group share one decoded text, of about 4 KiB or of the
 * length of one line: that much memory a line keeps which is kept.
 */
export function logEntries({ ascii, utf8, index, services }: Batch): LogEntry[] {
  const entries = new Array<LogEntry>(index.length / 3);
  if (strings === undefined) strings = makeStrings();
  const plain = new Reader(ascii, asciiPlace);
  const others = new Reader(utf8, utf8Place);
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
  readonly #place: number;
  /** The next group, and where it begins. */
  #group = 0;
  #byte = 0;
  /** The text of the current one, undefined where its entries' are made one by one. */
  #text: string | undefined;
  /** How much of it has been read. */
  #start = 0;
  /** How many entries have been read, and how many up to the end of the group. */
  #read = 0;
  #last = 0;

  /** Texts that are to be at one of the places where strings are made. */
  constructor(texts: Texts, place: number) {
    this.#texts = texts;
    this.#place = place;
  }

  next(end: number): string {
    if (this.#read === this.#last) this.#begin();
    this.#read++;
    const start = this.#start;
    this.#start = end;
    if (this.#text !== undefined) return this.#text.substring(start, end);
    const made = strings as Strings;
    return this.#place === asciiPlace
      ? made.ascii(asciiPlace + start, end - start)
      : made.utf8(end - start);
  }

  /** begin begins the next group. */
  #begin(): void {
    const { bytes, groups } = this.#texts;
    const end = groups[this.#group] as number;
    const group = bytes.subarray(this.#byte, end);
    if (strings && group.length <= room) {
      strings.bytes.set(group, this.#place);
      if (this.#place === utf8Place) strings.seek(utf8Place);
      this.#text = undefined;
    } else {
      decoder ??= new TextDecoder("utf-8", { ignoreBOM: true });
      this.#text = decoder.decode(group);
    }
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
