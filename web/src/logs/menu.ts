// A button with a list of checkboxes below it.

import { element } from "./row.js";

export interface MenuItem {
  key: string;
  label: string;
  note: string;
  checked: boolean;
}

/** Closes by Escape, and by a click elsewhere. */
export class Menu {
  readonly root = element("details", "log-menu") as HTMLDetailsElement;
  readonly #summary = element("summary");
  readonly #list = element("div", "log-menu-list");
  readonly #name: string;
  readonly #onToggle: (key: string, checked: boolean) => void;
  readonly #boxes = new Map<string, { box: HTMLInputElement; note: HTMLElement }>();
  readonly #end = new AbortController();

  constructor(name: string, onToggle: (key: string, checked: boolean) => void) {
    this.#name = name;
    this.#onToggle = onToggle;
    this.#summary.textContent = name;
    this.#list.setAttribute("role", "group");
    this.#list.setAttribute("aria-label", name);
    this.root.append(this.#summary, this.#list);
    const { signal } = this.#end;
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.root.open) return;
      this.root.open = false;
      this.#summary.focus();
      event.stopPropagation();
    });
    document.addEventListener(
      "pointerdown",
      ({ target }) => {
        if (!this.root.contains(target as Node)) this.root.open = false;
      },
      { signal },
    );
  }

  close(): void {
    this.#end.abort();
  }

  /** Shows items. Boxes stay the same, so that one that has the focus keeps it. */
  set(items: readonly MenuItem[]): void {
    const kept = new Set(items.map(({ key }) => key));
    for (const [key, { box }] of this.#boxes) {
      if (kept.has(key)) continue;
      box.parentElement?.remove();
      this.#boxes.delete(key);
    }
    for (const { key, label, note, checked } of items) {
      let item = this.#boxes.get(key);
      if (!item) {
        item = this.#make(key, label);
        this.#boxes.set(key, item);
      }
      if (item.box.checked !== checked) item.box.checked = checked;
      if (item.note.textContent !== note) item.note.textContent = note;
    }
    const off = items.filter(({ checked }) => !checked).length;
    const text = off === 0 ? this.#name : `${this.#name} (${items.length - off}/${items.length})`;
    if (this.#summary.textContent !== text) this.#summary.textContent = text;
  }

  #make(key: string, label: string) {
    const box = element("input") as HTMLInputElement;
    box.type = "checkbox";
    box.addEventListener("change", () => this.#onToggle(key, box.checked));
    const note = element("span", "log-menu-note");
    const name = element("label");
    name.append(box, ` ${label} `, note);
    this.#list.append(name);
    return { box, note };
  }
}
