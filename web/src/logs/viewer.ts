// Shows the latest lines of a log. At any rate of lines, a frame updates only the
// visible rows.

import type { LogEntry } from "akash-provider-web";
import { logs as t } from "../text/en.js";
import { Ring } from "./ring.js";

const maxLines = 50_000;
const maxChars = 32_000_000;

// A longer line is truncated on screen, but saved in full.
const maxShown = 4_000;

// In pixels; must match app.css.
const rowHeight = 20;

// Terminal escape sequences for colors and cursor movement, including one that is
// truncated at the end of the line.
const escapes =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /\u001b(?:\[[0-9;:?]*(?:[ -/]*[@-~]|$)|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\^_]|$)|\r/g;

/** What is said and can be done beside the lines. */
export interface Controls {
  end: HTMLButtonElement;
  count: HTMLElement;
  save: HTMLButtonElement;
  clear: HTMLButtonElement;
  find: HTMLInputElement;
}

interface Row {
  row: HTMLElement;
  who: HTMLElement;
  text: HTMLElement;
  entry: LogEntry | undefined;
}

const div = (className: string, tag: "div" | "span" = "div") =>
  Object.assign(document.createElement(tag), { className });

export class Viewer {
  #ring = new Ring(maxLines, maxChars);
  #scroller: HTMLElement;
  #controls: Controls;
  #sizer = div("sizer");
  #layer = div("layer");
  #rows: Row[] = [];
  #needle = "";
  #matches: number[] = []; // numbers of the lines that contain the needle, if there is one
  #shownDropped = 0;
  #atEnd = true;
  #frame = 0;
  #hues = new Map<string, number>();
  #gone = new AbortController();

  constructor(scroller: HTMLElement, controls: Controls) {
    this.#scroller = scroller;
    this.#controls = controls;
    this.#sizer.append(this.#layer);
    this.#scroller.replaceChildren(this.#sizer);
    const { signal } = this.#gone;
    this.#scroller.addEventListener(
      "scroll",
      () => {
        const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
        this.#atEnd = scrollTop + clientHeight >= scrollHeight - rowHeight;
        this.#draw();
      },
      { signal },
    );
    const resized = new ResizeObserver(() => this.#draw());
    resized.observe(this.#scroller);
    signal.addEventListener("abort", () => resized.disconnect());
    controls.end.addEventListener(
      "click",
      () => {
        this.#atEnd = true;
        this.#draw();
        this.#scroller.focus();
      },
      { signal },
    );
    controls.find.addEventListener("input", () => this.#find(controls.find.value), { signal });
    controls.clear.addEventListener("click", () => this.clear(), { signal });
    controls.save.addEventListener("click", () => this.#download(), { signal });
    this.#draw();
  }

  /** Leaves the elements to somebody else. */
  close(): void {
    cancelAnimationFrame(this.#frame);
    this.#gone.abort();
  }

  /** Appends LogEntry objects. */
  push(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      if (this.#needle && entry.message.includes(this.#needle)) {
        this.#matches.push(this.#ring.dropped + this.#ring.length);
      }
      this.#ring.push(entry);
    }
    this.#draw();
  }

  clear(): void {
    this.#ring.clear();
    this.#matches = [];
    this.#shownDropped = 0;
    this.#atEnd = true;
    this.#draw();
  }

  #find(needle: string): void {
    this.#needle = needle;
    this.#matches = [];
    if (needle) {
      for (let i = 0; i < this.#ring.length; i++) {
        if (this.#ring.at(i)?.message.includes(needle)) this.#matches.push(this.#ring.dropped + i);
      }
    }
    this.#atEnd = true;
    this.#draw();
  }

  #draw(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#render();
    });
  }

  #render(): void {
    const ring = this.#ring;
    let forgotten = ring.dropped - this.#shownDropped;
    this.#shownDropped = ring.dropped;
    if (this.#needle) {
      const gone = this.#matches.findIndex((number) => number >= ring.dropped);
      forgotten = gone < 0 ? this.#matches.length : gone;
      this.#matches.splice(0, forgotten);
    }
    const lines = this.#needle ? this.#matches.length : ring.length;

    // If the user has scrolled up, keep the visible lines in place.
    const scroller = this.#scroller;
    this.#sizer.style.height = `${lines * rowHeight}px`;
    if (this.#atEnd) scroller.scrollTop = lines * rowHeight;
    else if (forgotten > 0) scroller.scrollTop -= forgotten * rowHeight;

    const first = Math.max(0, Math.floor(scroller.scrollTop / rowHeight) - 2);
    const last = Math.min(lines, first + Math.ceil(scroller.clientHeight / rowHeight) + 4);
    this.#layer.style.transform = `translateY(${first * rowHeight}px)`;
    for (let i = first; i < last; i++) {
      const entry = ring.at(this.#needle ? (this.#matches[i] ?? 0) - ring.dropped : i);
      if (entry) this.#show(this.#row(i - first), entry);
    }
    for (const { row } of this.#rows.slice(Math.max(0, last - first))) row.hidden = true;

    const { end, save, clear, count } = this.#controls;
    end.hidden = this.#atEnd;
    save.disabled = clear.disabled = ring.length === 0;
    count.textContent = this.#summary(lines);
  }

  #summary(lines: number): string {
    const { length, dropped } = this.#ring;
    if (length === 0) return "";
    if (this.#needle) return t.found(lines, length);
    if (dropped > 0) return t.kept(length, length + dropped);
    return t.count(length);
  }

  #row(index: number): Row {
    const held = this.#rows[index];
    if (held) return held;
    const [row, who, text] = [div("row"), div("who", "span"), div("text", "span")];
    row.append(who, text);
    this.#layer.append(row);
    const made = { row, who, text, entry: undefined };
    this.#rows.push(made);
    return made;
  }

  #show(slot: Row, entry: LogEntry): void {
    const { row, who, text } = slot;
    row.hidden = false;
    if (slot.entry === entry) return;
    slot.entry = entry;
    who.textContent = `${entry.service}-${entry.replica}`;
    who.dataset.hue = String(this.#hue(entry.service));
    text.textContent = shown(entry.message);
  }

  #hue(service: string): number {
    const hue = this.#hues.get(service) ?? this.#hues.size % 6;
    this.#hues.set(service, hue);
    return hue;
  }

  #download(): void {
    const lines: string[] = [];
    for (let i = 0; i < this.#ring.length; i++) {
      const entry = this.#ring.at(i);
      if (entry) lines.push(`${entry.service}-${entry.replica} ${entry.message}\n`);
    }
    const url = URL.createObjectURL(new Blob(lines, { type: "text/plain" }));
    Object.assign(document.createElement("a"), { href: url, download: "lease.log" }).click();
    // Once the download has begun, it no longer needs the URL.
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}

/** Returns the text shown for a message. */
export function shown(message: string): string {
  const text = message.slice(0, maxShown).replace(escapes, "");
  return message.length > maxShown ? text + t.more(message.length - maxShown) : text;
}
