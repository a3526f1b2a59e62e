// The lines of a log, in bounded memory: when it is full, the oldest ones go, but none that
// the reader is looking at.

import { Chunk, type Kind, noSource } from "./chunk.js";
import { continuesEvent, type Level, levelOf, levels } from "./level.js";

/** A line as the package delivers it. */
export interface Entry {
  service: string;
  replica: number;
  message: string;
  continues?: true;
}

/** What writes lines: a replica of a service. */
export interface Source {
  service: string;
  /** -1 if the provider does not say which replica it is. */
  replica: number;
  /** How many of its lines are kept. */
  kept: number;
}

export interface Line {
  /** Its number, counted from the log's first line. */
  id: number;
  text: string;
  kind: Kind;
  level: Level;
  source: Source | undefined;
  /** When it arrived, in milliseconds since 1970. */
  time: number;
  continues: boolean;
}

/** Names come from the provider, so that their number has a limit. */
const maxSources = 1_000;

export interface StoreOptions {
  maxLines?: number;
  maxBytes?: number;
}

export class LogStore {
  #maxLines: number;
  readonly maxBytes: number;
  readonly chunks: Chunk[] = [];
  readonly sources: Source[] = [];
  /** How many lines of each level are kept, in the order of levels. */
  readonly levelCounts: number[] = levels.map(() => 0);
  /** The number that the next line gets. */
  next = 0;
  /** How many lines were dropped because the log was full. */
  dropped = 0;
  /** How many lines, not marks, have arrived since the start or the last clear. */
  arrived = 0;
  /** How many of these are errors, as far as they say. */
  errors = 0;
  bytes = 0;
  /** The oldest line that must not be dropped. */
  #pin: number | undefined;
  #waiting: (() => void)[] = [];
  #known = new Map<string, number>();
  #lastLevels: Level[] = [];
  readonly #listeners = new Set<() => void>();

  constructor({ maxLines = 1_000_000, maxBytes = 192 * 1024 * 1024 }: StoreOptions = {}) {
    this.#maxLines = maxLines;
    this.maxBytes = maxBytes;
  }

  /** The number of the oldest line kept. */
  get first(): number {
    return this.chunks[0]?.first ?? this.next;
  }

  get length(): number {
    return this.next - this.first;
  }

  /** Sets how many lines are kept. */
  set maxLines(lines: number) {
    this.#maxLines = lines;
    while (this.#over() && this.#mayDrop()) this.#drop();
    this.#go();
    this.#changed();
  }

  /** Calls a function after each change, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Adds lines in the order of their arrival. */
  push(entries: readonly Entry[], now = Date.now()): void {
    for (const { service, replica, message, continues } of entries) {
      const source = this.#sourceOf(service, replica);
      let level = levelOf(message);
      // A stack trace belongs to the line that it follows.
      if (level === "" && continuesEvent(message)) level = this.#lastLevels[source] ?? "";
      this.#lastLevels[source] = level;
      this.#add(message, "line", level, source, now, continues === true);
      this.arrived++;
      if (level === "error" || level === "fatal") this.errors++;
    }
    this.#changed();
  }

  /** Adds a mark of what happened to the log, or to one of its sources. */
  mark(
    kind: Exclude<Kind, "line">,
    text: string,
    from?: { service: string; replica: number },
    now = Date.now(),
  ): void {
    const source = from ? this.#sourceOf(from.service, from.replica) : noSource;
    this.#add(text, kind, "", source, now, false);
    this.#changed();
  }

  #add(
    text: string,
    kind: Kind,
    level: Level,
    source: number,
    time: number,
    continues: boolean,
  ): void {
    let last = this.chunks.at(-1);
    if (!last?.open || last.full) {
      if (last?.open) {
        this.bytes -= last.bytes;
        last.seal();
        this.bytes += last.bytes;
      }
      last = new Chunk(this.next, time);
      this.chunks.push(last);
    }
    this.bytes -= last.bytes;
    last.add({ text, kind, level, source, time, continues });
    this.bytes += last.bytes;
    this.next++;
    this.#count(last, last.count - 1, 1);
    while (this.#over() && this.#mayDrop()) this.#drop();
  }

  #over(): boolean {
    return this.length > this.#maxLines || this.bytes > this.maxBytes;
  }

  #mayDrop(): boolean {
    const oldest = this.chunks[0];
    if (!oldest || this.chunks.length === 1) return false;
    return this.#pin === undefined || this.#pin >= oldest.first + oldest.count;
  }

  #drop(): void {
    const oldest = this.chunks.shift();
    if (!oldest) return;
    for (let i = 0; i < oldest.count; i++) this.#count(oldest, i, -1);
    this.dropped += oldest.count;
    this.bytes -= oldest.bytes;
  }

  #count(chunk: Chunk, i: number, by: 1 | -1): void {
    if (chunk.isMark(i)) return;
    const source = this.sources[chunk.source(i)];
    if (source) source.kept += by;
    const level = chunk.levelIndex(i);
    this.levelCounts[level] = (this.levelCounts[level] ?? 0) + by;
  }

  #sourceOf(service: string, replica: number): number {
    const name = `${replica} ${service}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    // Further sources share the last one.
    if (this.sources.length === maxSources) return maxSources - 1;
    const others = this.sources.length === maxSources - 1;
    this.sources.push({ service: others ? "…" : service, replica: others ? -1 : replica, kept: 0 });
    this.#known.set(name, this.sources.length - 1);
    return this.sources.length - 1;
  }

  /** Keeps a line and all after it, as those that the reader is looking at; undefined ends that. */
  pin(id: number | undefined): void {
    this.#pin = id;
    if (this.#waiting.length === 0 || this.full) return;
    while (this.#over() && this.#mayDrop()) this.#drop();
    this.#go();
    this.#changed();
  }

  /** Lets those go on who wait for room, if there is some. */
  #go(): void {
    if (this.full) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  /** Whether no line can be added without dropping one that is pinned. */
  get full(): boolean {
    return this.#isFull() && !this.#mayDrop();
  }

  #isFull(): boolean {
    return this.length >= this.#maxLines || this.bytes >= this.maxBytes;
  }

  /**
   * Resolves once lines can be added, or the signal aborts. Who reads a log waits for it before the next batch, so
   * that the provider waits, too.
   */
  room(signal: AbortSignal): Promise<void> {
    if (!this.full) return Promise.resolve();
    return new Promise((resolve) => {
      const go = () => {
        signal.removeEventListener("abort", go);
        resolve();
      };
      signal.addEventListener("abort", go);
      this.#waiting.push(go);
      this.#changed();
    });
  }

  /** The index of the chunk that has a line, or of the first one after it. */
  chunkIndex(id: number): number {
    let low = 0;
    let high = this.chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const chunk = this.chunks[middle] as Chunk;
      if (chunk.first + chunk.count <= id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  line(id: number): Line | undefined {
    const chunk = this.chunks[this.chunkIndex(id)];
    const i = id - (chunk?.first ?? 0);
    if (!chunk || i < 0 || i >= chunk.count) return undefined;
    return {
      id,
      text: chunk.text(i),
      kind: chunk.kind(i),
      level: chunk.level(i),
      source: this.sources[chunk.source(i)],
      time: chunk.time(i),
      continues: chunk.continues(i),
    };
  }

  /** Removes all lines. Their numbers are not used again. */
  clear(): void {
    this.chunks.length = 0;
    this.bytes = 0;
    this.dropped = 0;
    this.arrived = 0;
    this.errors = 0;
    this.levelCounts.fill(0);
    for (const source of this.sources) source.kept = 0;
    this.#lastLevels = [];
    this.pin(undefined);
    this.#changed();
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Returns a source's name: web-0, or web if its replica is not known. */
export function sourceName({ service, replica }: { service: string; replica: number }): string {
  return replica < 0 ? service : `${service}-${replica}`;
}
