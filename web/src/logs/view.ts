// Shows the rows of a log. At any rate of lines and any length of the log, a frame touches
// only the visible rows. A row's element stays the same while it is visible, so that a
// selection keeps its text.

import type { Range } from "./links.js";
import { element, type Row, renderRow } from "./row.js";
import type { Rows } from "./rows.js";
import { Scale } from "./scroll.js";
import { type Pick, Selected } from "./selection.js";
import type { LogStore, Source } from "./store.js";
import type { LogTexts } from "./texts.js";
import type { TimeZoneShown } from "./time.js";

/** How far outside the visible part rows are drawn, in pixels. */
const margin = 200;

/** How long after the last movement the scrollbar is put right, in milliseconds. */
const calm = 150;

/**
 * The time between two drawings while lines come so fast that each drawing replaces most rows,
 * in milliseconds. Nobody could read more of them, and the lines themselves need the time.
 */
const rush = 50;

/** How many characters of a long line are shown at first, and how many more each time. */
export const fold = 2_000;
const unfold = 20_000;

export interface ViewOptions {
  store: LogStore;
  rows: Rows;
  texts: LogTexts;
  label: string;
  hue: (source: Source) => number;
  /** Called when what a toolbar shows may have changed, at most once a frame. */
  onChange: () => void;
}

export class LogView {
  readonly root = element("div", "log-view");
  readonly rows: Rows;
  readonly #store: LogStore;
  readonly #options: ViewOptions;
  readonly #scroller = element("div", "log-scroll");
  readonly #sizer = element("div", "log-sizer");
  readonly #layer = element("div", "log-layer");
  readonly #more = element("button", "log-more") as HTMLButtonElement;
  readonly #empty = element("p", "log-empty");
  readonly #held = element("p", "log-held");
  readonly #ruler = element("span", "log-ruler", "0".repeat(100));
  readonly #selected: Selected;
  readonly #drawn = new Map<number, Row>();
  /** How many characters of a line are shown, where it is more than usual. */
  readonly #unfolded = new Map<number, number>();
  readonly #pretty = new Set<number>();
  #matches = new Map<number, readonly Range[]>();
  #asked = new Set<number>();
  #wrap: boolean;
  #time: TimeZoneShown = "written";
  #showSource = true;
  #following = true;
  /** The first line that arrived after following ended. */
  #left = 0;
  /** The row at the upper edge, and how much of it is above. */
  #anchor = { id: 0, above: 0 };
  /** The place in the log minus that of the scrollbar. */
  #shift = 0;
  #top = 0;
  #elementHeight = 0;
  #widest = 0;
  #viewport = { width: 0, height: 0 };
  #current: number | undefined;
  #frame = 0;
  /** When the rows were drawn last, and whether most of them were new then. */
  #drawnAt = 0;
  #allNew = false;
  #calm: ReturnType<typeof setTimeout> | undefined;
  readonly #end = new AbortController();

  constructor(options: ViewOptions) {
    this.#options = options;
    this.#store = options.store;
    this.rows = options.rows;
    this.#scroller.tabIndex = 0;
    this.#scroller.setAttribute("role", "log");
    // Read out line by line, a log is of no use. The announcer sums up instead.
    this.#scroller.setAttribute("aria-live", "off");
    this.#scroller.setAttribute("aria-label", options.label);
    this.#more.type = "button";
    this.#more.hidden = true; // until a line arrives unseen
    this.#held.textContent = options.texts.held;
    this.#held.setAttribute("role", "status");
    this.#sizer.append(this.#layer);
    this.#scroller.append(this.#sizer);
    this.root.append(this.#ruler, this.#scroller, this.#empty, this.#held, this.#more);
    this.#wrap = matchMedia("(max-width: 760px)").matches;
    this.#selected = new Selected(this.#layer, this.#drawn);

    const { signal } = this.#end;
    const on = <K extends keyof HTMLElementEventMap>(
      name: K,
      listener: (event: HTMLElementEventMap[K]) => void,
    ) => this.#scroller.addEventListener(name, listener, { signal, passive: name === "wheel" });
    on("scroll", () => this.#scrolled());
    on("wheel", (event) => event.deltaY < 0 && this.#leave());
    on("keydown", (event) => this.#key(event));
    on("click", (event) => this.#clicked(event));
    on("copy", (event) => this.#copy(event));
    on("pointerdown", () => this.#pick(undefined));
    document.addEventListener("selectionchange", () => this.#selectionChanged(), { signal });
    this.#more.addEventListener("click", () => {
      this.follow();
      this.#scroller.focus();
    });
    const resized = new ResizeObserver(() => this.#resized());
    resized.observe(this.#scroller);
    signal.addEventListener("abort", () => resized.disconnect());
    signal.addEventListener(
      "abort",
      this.#store.onChange(() => this.draw()),
    );
  }

  /** Stops drawing. */
  close(): void {
    this.#end.abort();
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#calm);
    this.root.remove();
  }

  get following(): boolean {
    return this.#following;
  }

  get wrap(): boolean {
    return this.#wrap;
  }

  setWrap(wrap: boolean): void {
    this.#wrap = wrap;
    this.#layOut();
  }

  setTime(time: TimeZoneShown): void {
    this.#time = time;
    this.#layOut();
  }

  /** Whether each line names its service and replica. */
  setShowSource(show: boolean): void {
    if (show === this.#showSource) return;
    this.#showSource = show;
    this.#layOut();
  }

  setLabel(label: string): void {
    this.#scroller.setAttribute("aria-label", label);
  }

  focus(): void {
    this.#scroller.focus();
  }

  /** Goes to the end, and stays there as lines arrive. */
  follow(): void {
    this.#following = true;
    this.draw();
  }

  #leave(): void {
    if (!this.#following) return;
    this.#moveTo(this.#scale().end);
    this.#following = false;
    this.#left = this.#store.next;
    this.draw();
  }

  /** The view was given another filter or query. */
  filterChanged(): void {
    this.#matches = new Map();
    this.#asked = new Set();
    this.#forget();
    this.draw();
  }

  /** Removes what belongs to lines that are gone. */
  cleared(): void {
    this.#unfolded.clear();
    this.#pretty.clear();
    this.#widest = 0;
    this.#pick(undefined);
    this.#current = undefined;
    this.#forget();
    this.follow();
  }

  /** Goes to a line that matches the search, and makes it the current one. */
  show(id: number): void {
    this.#leave();
    this.#setCurrent(id);
    const place = this.rows.place(id);
    if (!place) return;
    const y = this.#y();
    if (place.top < y || place.top > y + this.#viewport.height - 2 * this.rows.layout.rowHeight) {
      this.#moveTo(place.top - this.#viewport.height / 3);
    }
    this.draw();
  }

  /** The line from which the search goes on: the current one, or the first visible one. */
  get position(): number {
    if (this.#current !== undefined && this.#drawn.has(this.#current)) return this.#current;
    return this.#following ? this.#store.next : this.#anchor.id - 1;
  }

  get current(): number | undefined {
    return this.#current;
  }

  draw(): void {
    this.#frame ||= requestAnimationFrame((now) => {
      this.#frame = 0;
      if (this.#following && this.#allNew && now - this.#drawnAt < rush) {
        this.draw();
        return;
      }
      this.#drawnAt = now;
      this.#render();
      this.#options.onChange();
    });
  }

  #resized(): void {
    const { clientWidth: width, clientHeight: height } = this.#scroller;
    const rewrap = this.#wrap && width !== this.#viewport.width;
    const back = this.#viewport.height === 0;
    this.#viewport = { width, height };
    if (height === 0) return; // in a part of the page that is hidden
    if (back) this.#settle();
    if (rewrap || this.rows.layout.wrap !== this.#wrap) this.#layOut();
    else this.draw();
  }

  /** Draws all rows anew, with the present options. */
  #layOut(): void {
    this.root.classList.toggle("wrap", this.#wrap);
    const character = this.#ruler.getBoundingClientRect().width / 100 || 8;
    const { paddingLeft, paddingRight, lineHeight } = getComputedStyle(this.#ruler);
    const padding = Number.parseFloat(paddingLeft) + Number.parseFloat(paddingRight);
    this.rows.setLayout({
      wrap: this.#wrap,
      rowHeight: Number.parseFloat(lineHeight) || 20,
      columns: Math.max(10, Math.floor((this.#viewport.width - padding) / character)),
      prefix: (this.#showSource ? 11 : 0) + (this.#time === "written" ? 0 : 25),
      fold,
    });
    this.#widest = 0;
    this.#forget();
    this.draw();
  }

  /** Removes the rows' elements, so that they are made anew. */
  #forget(): void {
    const focused = this.#layer.contains(document.activeElement);
    for (const { element } of this.#drawn.values()) element.remove();
    this.#drawn.clear();
    if (focused) this.#scroller.focus({ preventScroll: true });
  }

  /** The place in the log of the view's upper edge. */
  #y(): number {
    if (this.#following) return this.#scale().end;
    const place = this.rows.place(this.#anchor.id);
    if (!place) return this.#scale().end;
    return place.top + (place.id === this.#anchor.id ? this.#anchor.above : 0);
  }

  #scale(): Scale {
    return new Scale(this.rows.height, this.#viewport.height);
  }

  #moveTo(wanted: number): void {
    const y = Math.max(0, Math.min(wanted, this.#scale().end));
    const place = this.rows.at(y);
    if (place) this.#anchor = { id: place.id, above: y - place.top };
  }

  #scrolled(): void {
    // What is hidden loses its place, which is put right when it is shown again.
    if (this.#viewport.height === 0) return;
    const top = this.#scroller.scrollTop;
    const moved = top - this.#top;
    if (Math.abs(moved) < 1) return; // as drawn
    const scale = this.#scale();
    const before = this.#y();
    this.#top = top;
    // A long way is the scrollbar's; a short one is a wheel's or a finger's.
    const jump = Math.abs(moved) > Math.max(400, 2 * this.#viewport.height);
    let y = jump ? scale.toLog(top) : before + moved;
    y = Math.max(0, Math.min(y, scale.end));
    this.#shift = y - top;
    if (moved > 0 && y >= scale.end - 2) this.#following = true;
    else {
      this.#leave();
      this.#moveTo(y);
    }
    this.draw();
    clearTimeout(this.#calm);
    const nearEnd =
      (top < this.#viewport.height && y > top + 1) ||
      (top > scale.height - 2 * this.#viewport.height && scale.end - y > scale.height - top);
    if (nearEnd) this.#settle();
    else this.#calm = setTimeout(() => this.#settle(), calm);
  }

  /** Puts the scrollbar where it belongs. */
  #settle(): void {
    const y = this.#y();
    this.#scrollTo(this.#scale().toElement(y));
    this.#shift = y - this.#top;
    this.draw();
  }

  #scrollTo(top: number): void {
    if (Math.abs(this.#scroller.scrollTop - top) >= 1) this.#scroller.scrollTop = top;
    this.#top = this.#scroller.scrollTop;
  }

  #render(): void {
    if (this.#viewport.height === 0) return; // not on the page
    this.rows.update();
    this.#allNew = false;
    const changed = this.#place();
    // Rows turn out higher or lower than estimated once they are drawn.
    if (changed) this.#place();
    this.#store.pin(this.#following ? undefined : this.#anchor.id);
    this.#highlight();

    const rows = this.rows.length;
    this.#empty.hidden = rows > 0;
    const { empty, emptyFilter, newLines } = this.#options.texts;
    this.#empty.textContent = this.#store.length === 0 ? empty : emptyFilter;
    this.#held.hidden = !this.#store.full;
    this.#more.hidden = this.#following || rows === 0;
    if (!this.#more.hidden) this.#more.textContent = newLines(this.rows.countFrom(this.#left));
  }

  /** Draws the rows at the view's place. Reports whether heights have changed. */
  #place(): boolean {
    const scale = this.#scale();
    const y = Math.max(0, Math.min(this.#y(), scale.end));
    if (scale.height !== this.#elementHeight) {
      this.#elementHeight = scale.height;
      this.#sizer.style.height = `${scale.height}px`;
      // The browser moves what would be scrolled beyond the end.
      this.#top = this.#scroller.scrollTop;
    }
    if (this.#following) this.#scrollTo(scale.toElement(scale.end));
    this.#shift = y - this.#top;
    // Content must not be above the beginning of the scrolled element.
    if (this.#top < 0 || (y < this.#viewport.height && this.#shift < -1)) {
      this.#scrollTo(scale.toElement(y));
      this.#shift = y - this.#top;
    }

    const first = this.rows.at(Math.max(0, y - margin));
    const wanted: number[] = [];
    if (first) {
      let bottom = first.top;
      for (const id of this.rows.from(first.id)) {
        wanted.push(id);
        bottom += this.rows.heightOf(id);
        if (bottom > y + this.#viewport.height + margin) break;
      }
      this.#layer.style.transform = `translateY(${first.top - this.#shift}px)`;
    }
    return this.#sync(wanted);
  }

  /** Makes the elements those of the given lines, and measures new ones. */
  #sync(wanted: readonly number[]): boolean {
    const visible = new Set(wanted);
    // Elements that hold the focus or an end of the selection stay, out of sight.
    const kept = this.#selected.held();
    const focused = (document.activeElement as HTMLElement | null)?.closest<HTMLElement>(
      "[data-line]",
    );
    if (focused && this.#layer.contains(focused)) kept.add(Number(focused.dataset.line));
    for (const [id, { element }] of this.#drawn) {
      const away = !visible.has(id);
      if (away && !(kept.has(id) && this.#store.line(id))) {
        if (element.contains(document.activeElement)) this.#scroller.focus({ preventScroll: true });
        element.remove();
        this.#drawn.delete(id);
      } else element.classList.toggle("away", away);
    }
    const made: number[] = [];
    const ids = [...new Set([...this.#drawn.keys(), ...wanted])].sort((a, b) => a - b);
    let at: ChildNode | null = this.#layer.firstChild;
    for (const id of ids) {
      const row = this.#drawn.get(id);
      if (row) {
        at = row.element.nextSibling;
        continue;
      }
      const fresh = this.#renderRow(id);
      if (!fresh) continue;
      this.#drawn.set(id, fresh);
      this.#layer.insertBefore(fresh.element, at);
      made.push(id);
    }
    if (made.length > wanted.length / 2) this.#allNew = true;
    return made.length > 0 && this.#measure(made);
  }

  #measure(ids: readonly number[]): boolean {
    let changed = false;
    for (const id of ids) {
      const height = this.#drawn.get(id)?.element.getBoundingClientRect().height;
      if (height) changed = this.rows.measure(id, height) || changed;
    }
    if (!this.#wrap) {
      const { offsetWidth } = this.#layer;
      if (offsetWidth > this.#widest) {
        this.#widest = offsetWidth;
        this.#sizer.style.minWidth = `${offsetWidth}px`;
      }
    } else if (this.#widest === 0) this.#sizer.style.minWidth = "";
    return changed;
  }

  #renderRow(id: number): Row | undefined {
    const line = this.#store.line(id);
    if (!line) return undefined;
    const row = renderRow(line, {
      texts: this.#options.texts,
      time: this.#time,
      source: this.#showSource,
      hue: line.source ? this.#options.hue(line.source) : 0,
      shown: this.#unfolded.get(id) ?? fold,
      pretty: this.#pretty.has(id),
      matches: this.#matches.get(id) ?? [],
    });
    row.element.classList.toggle("current", id === this.#current);
    row.element.classList.toggle("picked", this.#selected.picks(id));
    return row;
  }

  /** Draws a row anew. */
  #redraw(id: number): void {
    const old = this.#drawn.get(id);
    const fresh = old && this.#renderRow(id);
    if (!fresh) return;
    const focused = old.element.contains(document.activeElement);
    old.element.replaceWith(fresh.element);
    this.#drawn.set(id, fresh);
    if (focused) fresh.element.focus({ preventScroll: true });
    if (this.#measure([id])) this.draw();
  }

  /** Asks where the matches are in the rows that have any. */
  #highlight(): void {
    if (!this.rows.filter.query) return;
    const ids = [...this.#drawn.keys()].filter((id) => !this.#asked.has(id) && this.rows.isHit(id));
    if (ids.length === 0) return;
    const asked = this.#asked;
    for (const id of ids) asked.add(id);
    this.rows.matches(ids.map((id) => this.#store.line(id)?.text ?? "")).then(
      (found) => {
        if (asked !== this.#asked) return;
        ids.forEach((id, i) => {
          this.#matches.set(id, found[i] ?? []);
          this.#redraw(id);
        });
        // What is far away is asked for again.
        if (asked.size > 5_000) {
          this.#asked = new Set(this.#drawn.keys());
          for (const id of this.#matches.keys()) if (!this.#asked.has(id)) this.#matches.delete(id);
        }
      },
      () => {}, // the search itself reports it
    );
  }

  #setCurrent(id: number | undefined): void {
    const before = this.#current;
    this.#current = id;
    for (const changed of [before, id]) {
      if (changed === undefined) continue;
      this.#drawn.get(changed)?.element.classList.toggle("current", changed === id);
    }
  }

  #clicked(event: MouseEvent): void {
    const target = event.target as HTMLElement;
    const row = target.closest<HTMLElement>("[data-line]");
    if (!row) return;
    const id = Number(row.dataset.line);
    if (target.closest(".log-json")) this.#toggle(id, "json");
    else if (target.closest(".log-fold")) this.#toggle(id, "fold");
    this.#setCurrent(id);
  }

  #toggle(id: number, what: "json" | "fold"): void {
    this.#leave();
    if (what === "fold") this.#unfolded.set(id, (this.#unfolded.get(id) ?? fold) + unfold);
    else if (!this.#pretty.delete(id)) this.#pretty.add(id);
    this.#redraw(id);
    this.draw();
  }

  #key(event: KeyboardEvent): void {
    const done = this.#onKey(event);
    if (done) event.preventDefault();
  }

  #onKey({ key, ctrlKey, metaKey, shiftKey, altKey, target }: KeyboardEvent): boolean {
    if (altKey) return false;
    const page = this.#viewport.height - this.rows.layout.rowHeight;
    if (ctrlKey || metaKey) {
      if (key === "a") this.#pick("all");
      else if (key === "Home") this.#jump(0);
      else if (key === "End") this.#toEnd();
      else return false;
      return true;
    }
    if (key === "ArrowDown" || key === "ArrowUp") this.#step(key === "ArrowDown", shiftKey);
    else if (key === "PageDown") this.#jump(this.#y() + page);
    else if (key === "PageUp") this.#jump(this.#y() - page);
    else if (key === "Home") this.#jump(0);
    else if (key === "End") this.#toEnd();
    else if (key === "Escape" && this.#selected.pick !== undefined) this.#pick(undefined);
    else if (key === "Enter" && (target as HTMLElement).matches("[data-line]")) this.#open();
    else return false;
    return true;
  }

  #jump(y: number): void {
    if (y >= this.#scale().end - 1 && y > 0) {
      this.#toEnd();
      return;
    }
    this.#leave();
    this.#moveTo(y);
    this.#setCurrent(undefined);
    this.#settle();
  }

  #toEnd(): void {
    this.#setCurrent(undefined);
    this.follow();
  }

  /** Moves the current line up or down, and the view with it. */
  #step(down: boolean, extend: boolean): void {
    const at = this.#current;
    let id: number | undefined;
    if (at === undefined || !this.rows.place(at)) {
      id = this.#following ? this.rows.last : this.#anchor.id;
    } else if (down) {
      for (const next of this.rows.from(at + 1)) {
        id = next;
        break;
      }
    } else {
      for (const next of this.rows.before(at)) {
        id = next;
        break;
      }
    }
    if (id === undefined) return;
    this.#leave();
    if (extend) {
      const { pick } = this.#selected;
      const from = typeof pick === "object" ? pick.from : (at ?? id);
      this.#pick({ from, to: id });
    } else this.#pick(undefined);
    this.#setCurrent(id);
    const place = this.rows.place(id);
    if (!place) return;
    const bottom = place.top + this.rows.heightOf(id);
    const y = this.#y();
    if (place.top < y) this.#moveTo(place.top);
    else if (bottom > y + this.#viewport.height) this.#moveTo(bottom - this.#viewport.height);
    this.#settle();
    this.#render();
    this.#drawn.get(id)?.element.focus({ preventScroll: true });
  }

  /** Opens what the current line has: indented JSON, or more of its text. */
  #open(): void {
    const id = this.#current;
    const row = id === undefined ? undefined : this.#drawn.get(id);
    if (id === undefined || !row) return;
    if (row.element.querySelector(".log-json")) this.#toggle(id, "json");
    else if (row.element.querySelector(".log-fold")) this.#toggle(id, "fold");
  }

  #pick(pick: Pick): void {
    if (pick === this.#selected.pick) return;
    this.#selected.pick = pick;
    if (pick !== undefined) getSelection()?.removeAllRanges();
    for (const [id, { element }] of this.#drawn) {
      element.classList.toggle("picked", this.#selected.picks(id));
    }
  }

  #selectionChanged(): void {
    // Text under the pointer that moves away cannot be selected.
    if (this.#selected.read()) this.#leave();
  }

  #copy(event: ClipboardEvent): void {
    const text = this.#selected.text(this.#store, this.rows);
    if (text === undefined || !event.clipboardData) return;
    event.preventDefault();
    event.clipboardData.setData("text/plain", text);
  }

  /** The text that is selected; undefined if nothing is. */
  get selectedText(): string | undefined {
    return this.#selected.text(this.#store, this.rows);
  }
}
