// The controls of a log view.

import { Menu } from "./menu.js";
import { element } from "./row.js";
import type { Query } from "./search.js";
import type { LogTexts } from "./texts.js";
import type { TimeZoneShown } from "./time.js";

export interface ToolbarActions {
  search(query: Query | undefined, onlyMatches: boolean): void;
  step(direction: 1 | -1): void;
  toggleSource(key: string, on: boolean): void;
  toggleLevel(key: string, on: boolean): void;
  wrap(on: boolean): void;
  time(zone: TimeZoneShown): void;
  columns(on: boolean): void;
  /** Sets how many lines are kept. */
  keep(lines: number): void;
  announce(on: boolean): void;
  copy(): void;
  /** Saves all lines, or those that are shown. */
  download(all: boolean): void;
  clear(): void;
}

/** What tells the ids of several toolbars apart. */
let made = 0;

/** How long typing goes on before it is searched for, in milliseconds. */
const pause = 120;

export class Toolbar {
  readonly root = element("div", "log-tools");
  readonly sources: Menu;
  readonly levels: Menu;
  readonly #find = element("input") as HTMLInputElement;
  readonly #matchCase: HTMLButtonElement;
  readonly #regex: HTMLButtonElement;
  readonly #only: HTMLInputElement;
  readonly #wrap: HTMLInputElement;
  readonly #steps: HTMLButtonElement[];
  readonly #lines: HTMLButtonElement[];
  readonly #downloadShown: HTMLButtonElement;
  readonly #found = element("span", "log-found");
  readonly #count = element("span", "log-count");
  readonly #message = element("p", "log-message");
  readonly #actions: ToolbarActions;
  #typing: ReturnType<typeof setTimeout> | undefined;

  constructor(texts: LogTexts, actions: ToolbarActions) {
    this.#actions = actions;
    this.sources = new Menu(texts.sources, actions.toggleSource);
    this.levels = new Menu(texts.levels, actions.toggleLevel);
    this.#find.type = "search";
    this.#find.placeholder = texts.find;
    this.#find.setAttribute("aria-label", texts.find);
    this.#find.autocomplete = "off";
    this.#find.spellcheck = false;
    this.#matchCase = this.#toggle("Aa", texts.matchCase);
    this.#regex = this.#toggle(".*", texts.regex);
    this.#steps = [
      button("↑", () => actions.step(-1), texts.previous),
      button("↓", () => actions.step(1), texts.next),
    ];
    const only = checkbox(texts.onlyMatches, false, () => this.#search());
    this.#only = only.box;
    const wrap = checkbox(texts.wrap, false, actions.wrap);
    this.#wrap = wrap.box;
    this.#lines = [
      button(texts.copy, actions.copy),
      button(texts.download, () => actions.download(true)),
      button(texts.clear, actions.clear),
    ];
    this.#downloadShown = button(texts.downloadShown, () => actions.download(false));
    const times = select(texts.times, [
      ["written", texts.asInLine],
      ["local", texts.local],
      ["utc", texts.utc],
    ]);
    times.box.addEventListener("change", () => actions.time(times.box.value as TimeZoneShown));
    const split = select(texts.split, [
      ["merged", texts.merged],
      ["columns", texts.columns],
    ]);
    split.box.addEventListener("change", () => actions.columns(split.box.value === "columns"));
    const sizes = [1_000_000, 100_000, 10_000].map((n): [string, string] => [
      String(n),
      texts.lines(n),
    ]);
    const keep = select(texts.keep, sizes);
    keep.box.addEventListener("change", () => actions.keep(Number(keep.box.value)));
    const announce = checkbox(texts.announce, true, actions.announce);

    const search = element("div", "log-search");
    search.setAttribute("role", "search");
    const how = element("div", "log-how");
    how.append(this.#matchCase, this.#regex, only.label);
    const show = element("div", "log-show");
    const lines = element("div", "log-lines");
    lines.append(...this.#lines, this.#downloadShown);
    const more = this.#fold(texts.moreTools, how, lines, show);
    search.append(this.#find, ...this.#steps, more, how, this.#found, this.#count);
    show.append(
      this.sources.root,
      this.levels.root,
      wrap.label,
      times.label,
      split.label,
      keep.label,
    );
    show.append(announce.label);
    this.#message.setAttribute("role", "status");
    this.root.append(search, lines, show, this.#message);

    this.#find.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#search(), pause);
    });
    this.#find.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        if (this.#typing !== undefined) this.#search();
        actions.step(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape" && this.#find.value) {
        this.#find.value = "";
        this.#search();
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  close(): void {
    clearTimeout(this.#typing);
    this.sources.close();
    this.levels.close();
  }

  focusSearch(): void {
    this.#find.focus();
    this.#find.select();
  }

  set wrap(on: boolean) {
    this.#wrap.checked = on;
  }

  /** Shows counts: of the matches, and of the lines. */
  show(found: string, count: string, hits: number, shown: number, lines: number): void {
    if (this.#found.textContent !== found) this.#found.textContent = found;
    if (this.#count.textContent !== count) this.#count.textContent = count;
    for (const step of this.#steps) step.disabled = hits === 0;
    for (const action of this.#lines) action.disabled = lines === 0;
    this.#downloadShown.hidden = shown === lines;
    this.#downloadShown.disabled = shown === 0;
  }

  /** Says what became of something; "" removes it. */
  say(message: string): void {
    this.#message.textContent = message;
  }

  /** Returns the button that unfolds parts of the toolbar, which only narrow windows have. */
  #fold(text: string, ...parts: HTMLElement[]): HTMLButtonElement {
    const more = button(text, () => {
      const open = this.root.classList.toggle("open");
      more.setAttribute("aria-expanded", String(open));
    });
    more.className = "log-unfold";
    more.setAttribute("aria-expanded", "false");
    const id = ++made;
    for (const [i, part] of parts.entries()) part.id = `log-tools-${id}-${i}`;
    more.setAttribute("aria-controls", parts.map((part) => part.id).join(" "));
    return more;
  }

  #toggle(text: string, label: string): HTMLButtonElement {
    const toggle = button(
      text,
      () => {
        const on = toggle.getAttribute("aria-pressed") !== "true";
        toggle.setAttribute("aria-pressed", String(on));
        this.#search();
      },
      label,
    );
    toggle.setAttribute("aria-pressed", "false");
    return toggle;
  }

  #search(): void {
    clearTimeout(this.#typing);
    this.#typing = undefined;
    const text = this.#find.value;
    const on = (toggle: HTMLButtonElement) => toggle.getAttribute("aria-pressed") === "true";
    const query = { text, regex: on(this.#regex), matchCase: on(this.#matchCase) };
    this.#actions.search(text ? query : undefined, this.#only.checked);
  }
}

function button(text: string, action: () => void, label?: string): HTMLButtonElement {
  const made = element("button", "", text) as HTMLButtonElement;
  made.type = "button";
  if (label) {
    made.title = label;
    made.setAttribute("aria-label", label);
  }
  made.addEventListener("click", action);
  return made;
}

function checkbox(text: string, checked: boolean, action: (on: boolean) => void) {
  const box = element("input") as HTMLInputElement;
  box.type = "checkbox";
  box.checked = checked;
  box.addEventListener("change", () => action(box.checked));
  const label = element("label", "switch");
  label.append(box, ` ${text}`);
  return { box, label };
}

function select(text: string, options: readonly [string, string][]) {
  const box = element("select") as HTMLSelectElement;
  for (const [value, name] of options) box.append(new Option(name, value));
  const label = element("label", "log-select");
  label.append(`${text} `, box);
  return { box, label };
}
