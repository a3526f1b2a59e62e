import type { LogEntry } from "../types.js";
import { type Batch, continues, inAscii, type Texts } from "./engine.js";
import { asciiPlace, makeStrings, room, type Strings, utf8Place } from "./strings.js";

/** Created when first needed; null if the platform does not support it. */
let strings: Strings | null | undefined;

/** For texts that strings cannot create. A byte order mark is ordinary text. */
let decoder: TextDecoder | undefined;

/**
 * logEntries creates the lines of a batch, each with its own string. If a decoder is
 * needed, the lines of a group are slices of one decoded text of about 4 KiB, or of
 * one line if that is longer. A line that is kept keeps that text in memory.
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
      replica: (index[at + 1] as number) | 0, // an unknown one is 2 ** 32 - 1
      message: id & inAscii ? plain.next(end) : others.next(end),
    };
    if (id >= continues) entry.continues = true;
    entries[i] = entry;
  }
  return entries;
}

/** Reads texts group by group. */
class Reader {
  readonly #texts: Texts;
  readonly #place: number;
  /** The next group and its start. */
  #group = 0;
  #byte = 0;
  /** The text of the current group, or undefined if entries are created one by one. */
  #text: string | undefined;
  /** How much of the text has been read. */
  #start = 0;
  /**
   * How many entries have been read, and how many there are up to the end of the group.
   */
  #read = 0;
  #last = 0;

  /** Texts that must be placed where strings can be created. */
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

  /** begin starts the next group. */
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

/** What a shell said: output, or the message of its result. */
export interface ShellPiece {
  /** A field of ShellResponse. */
  kind: number;
  /** How much standard input was taken, or the exit code. */
  number: number;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The kinds of a {@link ShellPiece}. */
export const shellStdout = 1;
export const shellStderr = 2;
export const shellResult = 3;
export const shellTaken = 4;

/** shellPieces makes the responses of a shell in a batch; wasm/client wrote them so. */
export function shellPieces({ utf8, index }: Batch): ShellPiece[] {
  const pieces: ShellPiece[] = [];
  for (let at = 0, start = 0; at < index.length; at += 3) {
    const end = index[at + 2] as number;
    pieces.push({
      kind: index[at] as number,
      number: (index[at + 1] as number) | 0,
      bytes: utf8.bytes.slice(start, end),
    });
    start = end;
  }
  return pieces;
}

/** jsonItems creates the messages of a batch, each of which is JSON. */
export function jsonItems(batch: Batch): unknown[] {
  return logEntries(batch).map(({ message }) => JSON.parse(message));
}
