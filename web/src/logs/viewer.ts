// A log with its controls: one view of all lines, or one for each replica side by side.

import { Announcer } from "./announcer.js";
import { pieces, save } from "./export.js";
import { type Level, levels } from "./level.js";
import { element } from "./row.js";
import { type Filter, Rows } from "./rows.js";
import { compile, type Query } from "./search.js";
import { Searcher, type SearchPort, TooSlow } from "./searcher.js";
import { textOf } from "./selection.js";
import { LogStore, type Source, type StoreOptions, sourceName } from "./store.js";
import type { LogTexts } from "./texts.js";
import type { TimeZoneShown } from "./time.js";
import { Toolbar } from "./toolbar.js";
import { LogView } from "./view.js";

/** How many logs are shown side by side. */
const maxColumns = 4;

export interface ViewerOptions extends StoreOptions {
  texts: LogTexts;
  /** What the log is of, for those who cannot see it. */
  label: string;
  /** Starts the worker that searches. */
  openWorker: () => SearchPort;
  /** The name of a file that the log is saved in. */
  fileName: () => string;
}

interface Column {
  view: LogView;
  searcher: Searcher;
  /** undefined shows all sources. */
  source: Source | undefined;
  root: HTMLElement;
}

export class LogViewer {
  readonly root = element("div", "log-viewer");
  readonly store: LogStore;
  readonly #options: ViewerOptions;
  readonly #tools: Toolbar;
  readonly #announcer: Announcer;
  readonly #views = element("div", "log-views");
  #columns: Column[] = [];
  /** The column that was used last. */
  #active = 0;
  #split = false;
  #time: TimeZoneShown = "written";
  #wrap: boolean | undefined;
  readonly #hiddenSources = new Set<string>();
  readonly #hiddenLevels = new Set<string>();
  #label: string;
  #query: Query | undefined;
  #onlyMatches = false;
  #knownSources = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #hues = new Map<string, number>();

  constructor(options: ViewerOptions) {
    this.#options = options;
    this.store = new LogStore(options);
    this.#label = options.label;
    const { texts } = options;
    this.#tools = new Toolbar(texts, {
      search: (query, only) => this.#search(query, only),
      step: (direction) => this.#step(direction),
      toggleSource: (key, on) => this.#toggle(this.#hiddenSources, key, on),
      toggleLevel: (key, on) => this.#toggle(this.#hiddenLevels, key, on),
      wrap: (on) => this.#setWrap(on),
      time: (zone) => this.#setTime(zone),
      columns: (on) => this.#setSplit(on),
      keep: (lines) => {
        this.store.maxLines = lines;
      },
      announce: (on) => {
        this.#announcer.muted = !on;
      },
      copy: () => void this.#copy(),
      download: (all) => void this.#download(all),
      clear: () => this.clear(),
    });
    this.#announcer = new Announcer(this.store, texts);
    this.root.append(this.#tools.root, this.#views, this.#announcer.root);
    this.root.addEventListener("keydown", (event) => this.#key(event));
    this.#build();
    this.#tools.wrap = this.#main.view.wrap;
  }

  close(): void {
    for (const column of this.#columns) discard(column);
    this.#columns = [];
    clearTimeout(this.#timer);
    this.#tools.close();
    this.#announcer.close();
    this.root.remove();
  }

  focus(): void {
    this.#main.view.focus();
  }

  /** Says what the log is of. */
  setLabel(label: string): void {
    this.#label = label;
    for (const { view, source } of this.#columns) view.setLabel(this.#labelOf(source));
  }

  #labelOf(source: Source | undefined): string {
    return source ? `${this.#label}: ${sourceName(source)}` : this.#label;
  }

  /** Removes all lines, and follows what comes. */
  clear(): void {
    this.store.clear();
    for (const { view } of this.#columns) view.cleared();
    this.#tools.say("");
  }

  get #main(): Column {
    return (this.#columns[this.#active] ?? this.#columns[0]) as Column;
  }

  /** Makes the views anew: one, or one for each source. */
  #build(): void {
    for (const column of this.#columns) discard(column);
    this.#active = 0;
    this.#views.replaceChildren();
    const shown = this.store.sources.filter(
      (source) => !this.#hiddenSources.has(sourceName(source)),
    );
    const sources = this.#split && shown.length > 0 ? shown.slice(0, maxColumns) : [undefined];
    this.#columns = sources.map((source) => this.#makeColumn(source));
    this.#views.classList.toggle("columns", this.#columns.length > 1);
    const { manyColumns } = this.#options.texts;
    if (this.#split) this.#tools.say(shown.length > maxColumns ? manyColumns(maxColumns) : "");
    this.#changed();
  }

  #makeColumn(source: Source | undefined): Column {
    const searcher = new Searcher(this.#options.openWorker);
    const rows = new Rows(this.store, searcher);
    const { texts } = this.#options;
    const name = source && sourceName(source);
    const view = new LogView({
      store: this.store,
      rows,
      texts,
      label: this.#labelOf(source),
      hue: (source) => this.#hue(source),
      onChange: () => this.#changedSoon(),
    });
    rows.onSearch = (error) => {
      if (error) this.#searchFailed(error);
      view.draw();
    };
    rows.setFilter(this.#filter(source));
    view.setTime(this.#time);
    view.setShowSource(source === undefined);
    if (this.#wrap !== undefined) view.setWrap(this.#wrap);
    const root = element("div", "log-column");
    if (name) root.append(element("p", "log-column-name", name));
    root.append(view.root);
    root.addEventListener("focusin", () => {
      this.#active = this.#columns.findIndex((column) => column.root === root);
    });
    this.#views.append(root);
    return { view, searcher, source, root };
  }

  #filter(only: Source | undefined): Filter {
    const hidden = this.#hiddenSources;
    const source = only
      ? (of: Source) => of === only
      : hidden.size > 0
        ? (of: Source) => !hidden.has(sourceName(of))
        : undefined;
    const shown = levels.filter((level) => !this.#hiddenLevels.has(level));
    return {
      source,
      levels: this.#hiddenLevels.size > 0 ? new Set<Level>(shown) : undefined,
      query: this.#query,
      onlyMatches: this.#onlyMatches,
    };
  }

  #applyFilter(): void {
    for (const { view, source } of this.#columns) {
      view.rows.setFilter(this.#filter(source));
      view.filterChanged();
    }
  }

  #hue({ service }: Source): number {
    let hue = this.#hues.get(service);
    if (hue === undefined) {
      hue = this.#hues.size % 6;
      this.#hues.set(service, hue);
    }
    return hue;
  }

  #toggle(hidden: Set<string>, key: string, on: boolean): void {
    if (on) hidden.delete(key);
    else hidden.add(key);
    if (this.#split && hidden === this.#hiddenSources) this.#build();
    else this.#applyFilter();
  }

  #setWrap(on: boolean): void {
    this.#wrap = on;
    for (const { view } of this.#columns) view.setWrap(on);
  }

  #setTime(zone: TimeZoneShown): void {
    this.#time = zone;
    for (const { view } of this.#columns) view.setTime(zone);
  }

  #setSplit(on: boolean): void {
    this.#split = on;
    this.#tools.say("");
    this.#build();
  }

  #search(query: Query | undefined, onlyMatches: boolean): void {
    this.#onlyMatches = onlyMatches;
    this.#query = undefined;
    const { badRegex } = this.#options.texts;
    try {
      if (query) compile(query);
      this.#query = query;
      this.#tools.say("");
    } catch (error) {
      this.#tools.say(badRegex((error as Error).message.replace(/^.*: /, "")));
    }
    this.#applyFilter();
  }

  #searchFailed(error: Error): void {
    const { slowRegex, searchFailed } = this.#options.texts;
    this.#tools.say(error instanceof TooSlow ? slowRegex : searchFailed(error.message));
  }

  /** Goes to the next match, or the one before; after the last comes the first. */
  #step(direction: 1 | -1): void {
    const { view } = this.#main;
    const { rows, position } = view;
    const hit =
      direction > 0
        ? (rows.nextHit(position) ?? rows.nextHit(-1))
        : (rows.previousHit(position) ?? rows.previousHit(this.store.next));
    if (hit !== undefined) view.show(hit);
  }

  #key(event: KeyboardEvent): void {
    const { key, ctrlKey, metaKey, altKey, target } = event;
    if (altKey || (target as HTMLElement).matches("input, select, textarea")) return;
    if (key === "F3") this.#step(event.shiftKey ? -1 : 1);
    else if (ctrlKey || metaKey) return;
    else if (key === "/") this.#tools.focusSearch();
    else if (key === "n") this.#step(1);
    else if (key === "N") this.#step(-1);
    else return;
    event.preventDefault();
  }

  async #copy(): Promise<void> {
    const { texts } = this.#options;
    const { view } = this.#main;
    const text = view.selectedText ?? textOf(this.store, view.rows, 0, this.store.next, true);
    if (text === undefined) return this.#tools.say(texts.tooMuchToCopy);
    try {
      await navigator.clipboard.writeText(text);
      this.#tools.say(texts.copied(text.split("\n").length - (text.endsWith("\n") ? 1 : 0)));
    } catch {
      this.#tools.say(texts.copyFailed);
    }
  }

  async #download(all: boolean): Promise<void> {
    const { texts, fileName } = this.#options;
    const shown = all
      ? this.store.chunks.map((chunk) => ({ chunk, lines: undefined, count: chunk.count }))
      : this.#main.view.rows.snapshot();
    const total = shown.reduce((sum, { count }) => sum + count, 0);
    const progress = (lines: number) =>
      this.#tools.say(texts.saving(Math.floor((lines / Math.max(1, total)) * 100)));
    try {
      const done = await save(fileName(), pieces(this.store, shown, progress));
      this.#tools.say(done ? texts.saved(total) : "");
    } catch (error) {
      this.#tools.say(texts.saveFailed((error as Error).message));
    }
  }

  #changedSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#changed();
    }, 100);
  }

  /** Shows counts and choices after a change. */
  #changed(): void {
    if (this.#columns.length === 0) return;
    const { store } = this;
    if (store.sources.length !== this.#knownSources) {
      this.#knownSources = store.sources.length;
      if (this.#split && this.#columns.length < maxColumns) {
        this.#build();
        return;
      }
    }
    const { texts } = this.#options;
    const { rows } = this.#main.view;
    this.#tools.sources.set(
      store.sources.map((source) => ({
        key: sourceName(source),
        label: sourceName(source),
        note: texts.lines(source.kept),
        checked: !this.#hiddenSources.has(sourceName(source)),
      })),
    );
    this.#tools.levels.set(
      levels.map((level, i) => ({
        key: level,
        label: level || texts.noLevel,
        note: texts.lines(store.levelCounts[i] ?? 0),
        checked: !this.#hiddenLevels.has(level),
      })),
    );
    rows.update();
    // Side by side, every line has its column.
    const shown = this.#columns.length > 1 ? store.length : rows.length;
    let count = texts.lines(store.length);
    if (shown < store.length) count = texts.shown(shown, store.length);
    else if (store.dropped > 0) count = texts.dropped(store.length, store.dropped);
    this.#tools.show(this.#found(), count, this.#hits, shown, store.length);
  }

  /** How many lines match in all columns. */
  get #hits(): number {
    return this.#columns.reduce((sum, { view }) => sum + view.rows.hits, 0);
  }

  #found(): string {
    if (!this.#query) return "";
    const { texts } = this.#options;
    const { rows, current } = this.#main.view;
    const { progress } = rows;
    const hits = this.#hits;
    const one = this.#columns.length === 1;
    const at =
      one && current !== undefined && rows.isHit(current) ? rows.hitRank(current) : undefined;
    const found = at === undefined ? texts.matches(hits) : texts.matchOf(at, hits);
    if (progress.searched >= progress.of) return found;
    return `${found}, ${texts.searching(Math.floor((progress.searched / progress.of) * 100))}`;
  }
}

function discard({ view, searcher, root }: Column): void {
  view.close();
  searcher.close();
  root.remove();
}
