// Which of a store's lines are shown, how high they are, and which match a search. All of
// it is kept by chunk, so that what changes at the end or the beginning of a log costs
// nothing elsewhere.

import type { Chunk } from "./chunk.js";
import { type Level, levels } from "./level.js";
import type { Query } from "./search.js";
import type { Searcher } from "./searcher.js";
import type { LogStore, Source } from "./store.js";

/** Which lines are shown. */
export interface Filter {
  /** Whether the lines of a source are shown. Default: all. */
  source?: ((source: Source) => boolean) | undefined;
  /** The levels that are shown. Default: all. */
  levels?: ReadonlySet<Level> | undefined;
  query?: Query | undefined;
  /** Whether only lines that match the query are shown. */
  onlyMatches?: boolean;
}

/** How lines are laid out. */
export interface Layout {
  wrap: boolean;
  /** In pixels. */
  rowHeight: number;
  /** How many characters fit into a row. */
  columns: number;
  /** How many characters come before a line's text. */
  prefix: number;
  /** How many characters of a long line are shown. */
  fold: number;
}

/** The part of the search that is under way. */
export interface Progress {
  searched: number;
  of: number;
}

/** What the view knows of a chunk. */
class Part {
  /** The filter that it was made for. */
  readonly run: number;
  /** How many lines have been filtered. */
  filtered = 0;
  /** The lines that pass the filter; undefined if all do. */
  base: number[] | undefined;
  /** How many lines have been searched, or are being searched. */
  asked = 0;
  searched = 0;
  /** The lines that pass the filter and match. */
  hits: number[] = [];
  /** The sum of the heights of the first `summed` rows. */
  height = 0;
  summed = 0;
  /** The heights of rows that are not as estimated, by line; most chunks have none. */
  measured: Map<number, number> | undefined;

  constructor(run: number) {
    this.run = run;
  }
}

/** A row's place. */
export interface Place {
  /** The line's number. */
  id: number;
  /** The distance from the first row, in pixels. */
  top: number;
}

/** How many characters are searched by one request. */
const batchChars = 262_144;

/** How many parts of chunks that were dropped are kept at most. */
const maxStale = 16;

export class Rows {
  readonly #store: LogStore;
  readonly #searcher: Searcher;
  /**
   * By the number of the chunk's first line, so that no dropped chunk is kept. Not a WeakMap:
   * what only that leads to is marked last, while the page stands still, which took 35 ms
   * with a million lines.
   */
  readonly #parts = new Map<number, Part>();
  #filter: Filter = {};
  /** Whether a source's lines pass the filter, as far as it was asked, and those of a level. */
  #sourcePasses: (boolean | undefined)[] = [];
  #levelPasses: boolean[] = [];
  #layout: Layout = { wrap: false, rowHeight: 20, columns: 80, prefix: 0, fold: 2_000 };
  /** Changes with the filter, so that late answers to another query are recognised. */
  #run = 0;
  #asking = false;
  /** Called when a search has found something, has ended or has failed. */
  onSearch: (error?: Error) => void = () => {};

  constructor(store: LogStore, searcher: Searcher) {
    this.#store = store;
    this.#searcher = searcher;
  }

  get filter(): Filter {
    return this.#filter;
  }

  setFilter(filter: Filter): void {
    this.#filter = filter;
    this.#sourcePasses = [];
    this.#levelPasses = levels.map((level) => filter.levels?.has(level) ?? true);
    this.#run++;
    this.#asking = false;
    this.#searcher.cancel();
    this.update();
  }

  setLayout(layout: Layout): void {
    this.#layout = layout;
    for (const chunk of this.#store.chunks) {
      const part = this.#parts.get(chunk.first);
      if (!part) continue;
      part.summed = part.height = 0;
      part.measured = undefined;
    }
  }

  get layout(): Layout {
    return this.#layout;
  }

  /** Takes in what was added to the store. */
  update(): void {
    const { chunks, first } = this.#store;
    if (this.#parts.size > chunks.length + maxStale) {
      for (const id of this.#parts.keys()) if (id < first) this.#parts.delete(id);
    }
    // From the end to the first chunk that was complete before.
    for (let i = chunks.length - 1; i >= 0; i--) {
      const chunk = chunks[i] as Chunk;
      const old = this.#parts.get(chunk.first);
      if (old?.run === this.#run && !chunk.open && old.filtered === chunk.count) break;
      const part = this.#part(chunk);
      this.#filterNew(chunk, part);
    }
    if (this.#filter.query) void this.#search();
  }

  #part(chunk: Chunk): Part {
    let part = this.#parts.get(chunk.first);
    if (part?.run !== this.#run) {
      const measured = part?.measured;
      part = new Part(this.#run);
      // The filter does not change how high a line is.
      part.measured = measured;
      this.#parts.set(chunk.first, part);
      this.#filterNew(chunk, part);
    }
    return part;
  }

  #filterNew(chunk: Chunk, part: Part): void {
    const { source, levels } = this.#filter;
    if (!source && !levels) {
      part.filtered = chunk.count;
      return;
    }
    part.base ??= [];
    for (; part.filtered < chunk.count; part.filtered++) {
      if (this.#passes(chunk, part.filtered)) part.base.push(part.filtered);
    }
  }

  #passes(chunk: Chunk, i: number): boolean {
    const source = chunk.source(i);
    if (!(this.#sourcePasses[source] ?? this.#sourcePass(source))) return false;
    return this.#levelPasses[chunk.levelIndex(i)] === true || chunk.isMark(i);
  }

  #sourcePass(index: number): boolean {
    const source = this.#store.sources[index];
    if (!source) return true; // a mark of the whole log
    const passes = this.#filter.source?.(source) ?? true;
    this.#sourcePasses[index] = passes;
    return passes;
  }

  #onlyHits(): boolean {
    return this.#filter.query !== undefined && this.#filter.onlyMatches === true;
  }

  #count(part: Part): number {
    if (this.#onlyHits()) return part.hits.length;
    return part.base ? part.base.length : part.filtered;
  }

  /** The line within its chunk of the row with an index. */
  #lineAt(part: Part, row: number): number {
    if (this.#onlyHits()) return part.hits[row] ?? 0;
    return part.base ? (part.base[row] ?? 0) : row;
  }

  /** The index of the row with a line, or of the first one after it. */
  #rowOf(part: Part, line: number): number {
    if (this.#onlyHits()) return lowerBound(part.hits, line);
    return part.base ? lowerBound(part.base, line) : Math.min(line, part.filtered);
  }

  #estimate(chunk: Chunk, line: number): number {
    const { wrap, rowHeight, columns, prefix, fold } = this.#layout;
    if (!wrap) return rowHeight;
    const length = Math.min(fold, chunk.length(line)) + prefix;
    return Math.max(1, Math.ceil(length / columns)) * rowHeight;
  }

  #rowHeight(chunk: Chunk, part: Part, line: number): number {
    return part.measured?.get(line) ?? this.#estimate(chunk, line);
  }

  #partHeight(chunk: Chunk, part: Part): number {
    const rows = this.#count(part);
    if (part.summed === rows) return part.height;
    if (!this.#layout.wrap && !part.measured?.size) {
      part.height += (rows - part.summed) * this.#layout.rowHeight;
      part.summed = rows;
    }
    for (; part.summed < rows; part.summed++) {
      part.height += this.#rowHeight(chunk, part, this.#lineAt(part, part.summed));
    }
    return part.height;
  }

  /** Says how high a line's row is on the screen. */
  measure(id: number, height: number): boolean {
    const chunk = this.#store.chunks[this.#store.chunkIndex(id)];
    if (!chunk || id < chunk.first) return false;
    const part = this.#part(chunk);
    const line = id - chunk.first;
    const before = this.#rowHeight(chunk, part, line);
    if (before === height) return false;
    if (this.#rowOf(part, line) < part.summed) part.height += height - before;
    if (this.#estimate(chunk, line) === height) part.measured?.delete(line);
    else {
      part.measured ??= new Map();
      part.measured.set(line, height);
    }
    return true;
  }

  /** How high a line's row is, as far as is known. */
  heightOf(id: number): number {
    const chunk = this.#store.chunks[this.#store.chunkIndex(id)];
    if (!chunk || id < chunk.first) return 0;
    return this.#rowHeight(chunk, this.#part(chunk), id - chunk.first);
  }

  /** How many rows there are. */
  get length(): number {
    return this.#sum((part) => this.#count(part));
  }

  /** How many rows there are from a line on. */
  countFrom(id: number): number {
    let count = 0;
    const { chunks } = this.#store;
    for (let c = this.#store.chunkIndex(id); c < chunks.length; c++) {
      const chunk = chunks[c] as Chunk;
      const part = this.#part(chunk);
      count += this.#count(part) - this.#rowOf(part, Math.max(0, id - chunk.first));
    }
    return count;
  }

  /** How many lines match the query and pass the filter. */
  get hits(): number {
    return this.#sum((part) => part.hits.length);
  }

  /** The height of all rows. */
  get height(): number {
    return this.#sum((part, chunk) => this.#partHeight(chunk, part));
  }

  get progress(): Progress {
    return { searched: this.#sum((part) => part.searched), of: this.#store.length };
  }

  #sum(of: (part: Part, chunk: Chunk) => number): number {
    let sum = 0;
    for (const chunk of this.#store.chunks) sum += of(this.#part(chunk), chunk);
    return sum;
  }

  /** The row at a distance from the first one. */
  at(y: number): Place | undefined {
    let top = 0;
    let last: Place | undefined;
    for (const chunk of this.#store.chunks) {
      const part = this.#part(chunk);
      const height = this.#partHeight(chunk, part);
      const rows = this.#count(part);
      if (rows > 0 && y < top + height) {
        for (let row = 0; row < rows; row++) {
          const line = this.#lineAt(part, row);
          const next = top + this.#rowHeight(chunk, part, line);
          if (y < next || row === rows - 1) return { id: chunk.first + line, top };
          top = next;
        }
      }
      top += height;
      if (rows > 0) {
        const line = this.#lineAt(part, rows - 1);
        last = { id: chunk.first + line, top: top - this.#rowHeight(chunk, part, line) };
      }
    }
    return last;
  }

  /** The place of a line, or of the first row after it; undefined if there is none. */
  place(id: number): Place | undefined {
    let top = 0;
    for (const chunk of this.#store.chunks) {
      const part = this.#part(chunk);
      if (chunk.first + chunk.count > id) {
        const row = this.#rowOf(part, Math.max(0, id - chunk.first));
        if (row < this.#count(part)) {
          for (let before = 0; before < row; before++) {
            top += this.#rowHeight(chunk, part, this.#lineAt(part, before));
          }
          return { id: chunk.first + this.#lineAt(part, row), top };
        }
      }
      top += this.#partHeight(chunk, part);
    }
    return undefined;
  }

  /** The lines shown from one on, in their order. */
  *from(id: number): Generator<number> {
    const { chunks } = this.#store;
    for (let c = this.#store.chunkIndex(id); c < chunks.length; c++) {
      const chunk = chunks[c] as Chunk;
      const part = this.#part(chunk);
      for (
        let row = this.#rowOf(part, Math.max(0, id - chunk.first));
        row < this.#count(part);
        row++
      ) {
        yield chunk.first + this.#lineAt(part, row);
      }
    }
  }

  /** The lines shown before one, from the nearest on. */
  *before(id: number): Generator<number> {
    const { chunks } = this.#store;
    for (let c = Math.min(this.#store.chunkIndex(id), chunks.length - 1); c >= 0; c--) {
      const chunk = chunks[c] as Chunk;
      const part = this.#part(chunk);
      for (let row = this.#rowOf(part, Math.max(0, id - chunk.first)) - 1; row >= 0; row--) {
        yield chunk.first + this.#lineAt(part, row);
      }
    }
  }

  /** The last line shown. */
  get last(): number | undefined {
    for (const id of this.before(this.#store.next)) return id;
    return undefined;
  }

  isHit(id: number): boolean {
    const chunk = this.#store.chunks[this.#store.chunkIndex(id)];
    if (!chunk || id < chunk.first) return false;
    const { hits } = this.#part(chunk);
    return hits[lowerBound(hits, id - chunk.first)] === id - chunk.first;
  }

  /** The first line after one that matches; undefined if there is none. */
  nextHit(after: number): number | undefined {
    const { chunks } = this.#store;
    for (let c = this.#store.chunkIndex(after + 1); c < chunks.length; c++) {
      const chunk = chunks[c] as Chunk;
      const { hits } = this.#part(chunk);
      const hit = hits[lowerBound(hits, after + 1 - chunk.first)];
      if (hit !== undefined) return chunk.first + hit;
    }
    return undefined;
  }

  /** The last line before one that matches. */
  previousHit(before: number): number | undefined {
    const { chunks } = this.#store;
    for (let c = Math.min(this.#store.chunkIndex(before), chunks.length - 1); c >= 0; c--) {
      const chunk = chunks[c] as Chunk;
      const { hits } = this.#part(chunk);
      const hit = hits[lowerBound(hits, before - chunk.first) - 1];
      if (hit !== undefined) return chunk.first + hit;
    }
    return undefined;
  }

  /** How many lines up to this one match. */
  hitRank(id: number): number {
    let rank = 0;
    for (const chunk of this.#store.chunks) {
      if (chunk.first > id) break;
      rank += lowerBound(this.#part(chunk).hits, id - chunk.first + 1);
    }
    return rank;
  }

  /** What is shown now. It does not change when the store does. */
  snapshot(): ShownChunk[] {
    return this.#store.chunks.map((chunk) => {
      const part = this.#part(chunk);
      const lines = this.#onlyHits() ? part.hits : part.base;
      return { chunk, lines: lines?.slice(), count: this.#count(part) };
    });
  }

  /** Searches what has not been searched: what is new, and then from the end to the beginning. */
  async #search(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const run = this.#run;
    try {
      for (let pieces = this.#pieces(); pieces.length > 0; pieces = this.#pieces()) {
        const query = this.#filter.query;
        if (!query) break;
        const lines = pieces.flatMap(({ chunk, from, to }) => texts(chunk, from, to));
        const { hits } = await this.#searcher.ask(query, lines, false);
        if (run !== this.#run) return;
        this.#take(pieces, hits);
        this.onSearch();
      }
    } catch (error) {
      if (run !== this.#run) return;
      // Nothing more is asked until the query changes.
      this.onSearch(error as Error);
      return;
    }
    this.#asking = false;
  }

  #pieces(): Piece[] {
    const pieces: Piece[] = [];
    let chars = 0;
    const { chunks } = this.#store;
    for (let i = chunks.length - 1; i >= 0 && chars < batchChars; i--) {
      const chunk = chunks[i] as Chunk;
      const part = this.#part(chunk);
      if (part.asked === chunk.count) continue;
      pieces.push({ chunk, part, from: part.asked, to: chunk.count });
      for (; part.asked < chunk.count; part.asked++) chars += chunk.length(part.asked);
    }
    return pieces;
  }

  #take(pieces: Piece[], hits: number[]): void {
    let next = 0;
    let offset = 0;
    for (const { chunk, part, from, to } of pieces) {
      for (; next < hits.length && (hits[next] as number) < offset + to - from; next++) {
        const line = (hits[next] as number) - offset + from;
        if (!chunk.isMark(line) && this.#passes(chunk, line)) part.hits.push(line);
      }
      part.searched = to;
      offset += to - from;
    }
  }

  /** Finds the matches in texts, to be highlighted. */
  async matches(lines: string[]): Promise<{ start: number; end: number }[][]> {
    const query = this.#filter.query;
    if (!query || lines.length === 0) return [];
    const { ranges = [] } = await this.#searcher.ask(query, lines, true);
    return ranges;
  }
}

/** The lines of a chunk that are shown. */
export interface ShownChunk {
  chunk: Chunk;
  /** Their indexes; undefined for the first `count` ones. */
  lines: number[] | undefined;
  count: number;
}

interface Piece {
  chunk: Chunk;
  part: Part;
  from: number;
  to: number;
}

function texts(chunk: Chunk, from: number, to: number): string[] {
  const lines: string[] = [];
  for (let i = from; i < to; i++) lines.push(chunk.text(i));
  return lines;
}

/** The index of the first number in a sorted list that is not less than the given one. */
function lowerBound(sorted: readonly number[], at: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
