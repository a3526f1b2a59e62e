// Shows the latest lines of a log. At any rate of lines, a frame updates only the
// visible rows.

import { byId, el } from "./dom.js";
import { count } from "./quantity.js";
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

export class Viewer {
  #ring = new Ring(maxLines, maxChars);
  #scroller = byId("viewer");
  #end = byId("end");
  #count = byId("count");
  #save = byId("save");
  #clear = byId("clear");
  #sizer = el("div", { class: "sizer" });
  #layer = el("div", { class: "layer" });
  #rows = [];
  #needle = "";
  #matches = []; // numbers of the lines that contain the needle, if there is one
  #shownDropped = 0;
  #atEnd = true;
  #frame = 0;
  #hues = new Map();

  constructor() {
    this.#sizer.append(this.#layer);
    this.#scroller.append(this.#sizer);
    this.#scroller.addEventListener("scroll", () => {
      const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
      this.#atEnd = scrollTop + clientHeight >= scrollHeight - rowHeight;
      this.#draw();
    });
    new ResizeObserver(() => this.#draw()).observe(this.#scroller);
    this.#end.addEventListener("click", () => {
      this.#atEnd = true;
      this.#draw();
      this.#scroller.focus();
    });
    byId("find").addEventListener("input", (event) => this.#find(event.target.value));
    this.#clear.addEventListener("click", () => this.clear());
    this.#save.addEventListener("click", () => this.#download());
    this.#draw();
  }

  /** Appends LogEntry objects. */
  push(entries) {
    for (const entry of entries) {
      if (this.#needle && entry.message.includes(this.#needle)) {
        this.#matches.push(this.#ring.dropped + this.#ring.length);
      }
      this.#ring.push(entry);
    }
    this.#draw();
  }

  clear() {
    this.#ring.clear();
    this.#matches = [];
    this.#shownDropped = 0;
    this.#atEnd = true;
    this.#draw();
  }

  #find(needle) {
    this.#needle = needle;
    this.#matches = [];
    if (needle) {
      for (let i = 0; i < this.#ring.length; i++) {
        if (this.#ring.at(i).message.includes(needle)) this.#matches.push(this.#ring.dropped + i);
      }
    }
    this.#atEnd = true;
    this.#draw();
  }

  #draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#render();
    });
  }

  #render() {
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
      const entry = ring.at(this.#needle ? this.#matches[i] - ring.dropped : i);
      this.#show(this.#row(i - first), entry);
    }
    for (let i = Math.max(0, last - first); i < this.#rows.length; i++)
      this.#rows[i].row.hidden = true;

    this.#end.hidden = this.#atEnd;
    this.#save.disabled = this.#clear.disabled = ring.length === 0;
    this.#count.textContent = this.#summary(lines);
  }

  #summary(lines) {
    const { length, dropped } = this.#ring;
    if (length === 0) return "";
    if (this.#needle) return `${count(lines)} of ${count(length)} lines`;
    if (dropped > 0) return `last ${count(length)} of ${count(length + dropped)} lines`;
    return `${count(length)} ${length === 1 ? "line" : "lines"}`;
  }

  #row(index) {
    while (this.#rows.length <= index) {
      const who = el("span", { class: "who" });
      const text = el("span", { class: "text" });
      const row = el("div", { class: "row" }, who, text);
      this.#layer.append(row);
      this.#rows.push({ row, who, text });
    }
    return this.#rows[index];
  }

  #show({ row, who, text }, entry) {
    row.hidden = false;
    if (row.entry === entry) return;
    row.entry = entry;
    who.textContent = `${entry.service}-${entry.replica}`;
    who.dataset.hue = this.#hue(entry.service);
    text.textContent = shown(entry.message);
  }

  #hue(service) {
    if (!this.#hues.has(service)) this.#hues.set(service, this.#hues.size % 6);
    return this.#hues.get(service);
  }

  #download() {
    const lines = [];
    for (let i = 0; i < this.#ring.length; i++) {
      const { service, replica, message } = this.#ring.at(i);
      lines.push(`${service}-${replica} ${message}\n`);
    }
    const url = URL.createObjectURL(new Blob(lines, { type: "text/plain" }));
    el("a", { href: url, download: "lease.log" }).click();
    // Once the download has begun, it no longer needs the URL.
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}

/** Returns the text shown for a message. */
export function shown(message) {
  const text = message.slice(0, maxShown).replace(escapes, "");
  return message.length > maxShown
    ? `${text}… (${count(message.length - maxShown)} more characters)`
    : text;
}
