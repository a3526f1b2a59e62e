// Some hundred lines in two strings. A million strings of their own, or substrings of the
// batches in which they came, would cost more and keep whole batches alive: 1,000,000
// lines of 125 characters take 142 MB in chunks, and 187 MB as objects (Chromium, with
// Runtime.getHeapUsage). A string with one character beyond Latin-1 takes two bytes for each
// of its characters, so that lines with such characters have a string of their own.

import { hasControls } from "./ansi.js";
import { type Level, levels } from "./level.js";

/** What a line of the view is: the log's own line, or a mark of what happened to the log. */
export const kinds = ["line", "gap", "lost", "again", "restart", "end", "error"] as const;
export type Kind = (typeof kinds)[number];

/** How many lines a chunk has at most. */
export const chunkLines = 512;

/** A chunk with more characters takes no further line. */
const chunkChars = 65_536;

const anyWide = /[\u0100-\uffff]/;

// What is known of a line besides its text: four numbers. All lines of a chunk have them in one
// array, since the collector visits each array.
const fields = 4;
/** Where it begins in its string. */
const startField = 0;
const lengthField = 1;
/** When it arrived, in milliseconds since the chunk began. */
const timeField = 2;
/** Its kind, level and flags in the lower half, its source in the upper one. */
const restField = 3;

/** The bytes that a line takes besides its text. */
const lineOverhead = fields * Uint32Array.BYTES_PER_ELEMENT;

/** The bits after those of a line's kind and level. */
const continued = 64;
const isWide = 128;

/** The source of marks that concern the whole log. */
export const noSource = 0xffff;

export interface NewLine {
  text: string;
  kind: Kind;
  level: Level;
  /** The index of its source in the store, or noSource. */
  source: number;
  /** When it arrived, in milliseconds since 1970. */
  time: number;
  /** Whether the line goes on in the next one of its source. */
  continues: boolean;
}

export class Chunk {
  /** The number of its first line, counted from the log's first one. */
  readonly first: number;
  count = 0;
  /** Approximate, while lines are added. */
  bytes = 0;
  /** Whether its text, as it is, is what a terminal shows. */
  plain = true;
  #chars = 0;
  #added: string[] | undefined = [];
  #narrow = "";
  #wide = "";
  #fields = new Uint32Array(chunkLines * fields);
  readonly #began: number;

  constructor(first: number, now: number) {
    this.first = first;
    this.#began = now;
  }

  get open(): boolean {
    return this.#added !== undefined;
  }

  /** Whether another line has room. */
  get full(): boolean {
    return this.count === chunkLines || this.#chars >= chunkChars;
  }

  add({ text, kind, level, source, time, continues }: NewLine): void {
    const at = this.count++ * fields;
    this.#added?.push(text);
    this.#chars += text.length;
    this.#fields[at + lengthField] = text.length;
    this.#fields[at + timeField] = Math.min(0xffffffff, Math.max(0, time - this.#began));
    this.#fields[at + restField] =
      kinds.indexOf(kind) |
      (levels.indexOf(level) << 3) |
      (continues ? continued : 0) |
      (source << 16);
    this.bytes += text.length + lineOverhead;
    if (this.plain && hasControls(text)) this.plain = false;
  }

  /** Joins the lines when no more follow, and frees what is not needed then. */
  seal(): void {
    if (!this.#added) return;
    const narrow: string[] = [];
    const wide: string[] = [];
    let narrowChars = 0;
    let wideChars = 0;
    this.#added.forEach((text, i) => {
      if (anyWide.test(text)) {
        this.#fields[i * fields + startField] = wideChars;
        this.#fields[i * fields + restField] = this.#rest(i) | isWide;
        wideChars += text.length;
        wide.push(text);
      } else {
        this.#fields[i * fields + startField] = narrowChars;
        narrowChars += text.length;
        narrow.push(text);
      }
    });
    this.#narrow = join(narrow);
    this.#wide = join(wide);
    this.#added = undefined;
    const { count } = this;
    if (count < chunkLines) this.#fields = this.#fields.slice(0, count * fields);
    this.bytes = narrowChars + 2 * wideChars + count * lineOverhead;
  }

  text(i: number): string {
    if (this.#added) return this.#added[i] ?? "";
    const text = this.#rest(i) & isWide ? this.#wide : this.#narrow;
    const start = this.#field(i, startField);
    return text.slice(start, start + this.length(i));
  }

  length(i: number): number {
    return this.#field(i, lengthField);
  }

  #field(i: number, field: number): number {
    return this.#fields[i * fields + field] ?? 0;
  }

  #rest(i: number): number {
    return this.#field(i, restField);
  }

  /** The index of its source in the store, or noSource. */
  source(i: number): number {
    return this.#rest(i) >>> 16;
  }

  time(i: number): number {
    return this.#began + this.#field(i, timeField);
  }

  kind(i: number): Kind {
    return kinds[this.#rest(i) & 7] ?? "line";
  }

  level(i: number): Level {
    return levels[this.levelIndex(i)] ?? "";
  }

  /** The index of the line's level in levels. */
  levelIndex(i: number): number {
    return (this.#rest(i) >> 3) & 7;
  }

  /** Whether this is not a line of the log, but a mark of what happened to it. */
  isMark(i: number): boolean {
    return (this.#rest(i) & 7) !== 0;
  }

  continues(i: number): boolean {
    return (this.#rest(i) & continued) !== 0;
  }
}

/**
 * Joins texts to a string of its own. Of a single text, join would return that itself, which
 * may be a part of a larger one.
 */
function join(texts: string[]): string {
  return texts.length === 0 ? "" : [...texts, " "].join("");
}
