// Tells people with a screen reader now and then what has arrived. Every line would be a
// flood.

import { element } from "./row.js";
import type { LogStore } from "./store.js";
import type { LogTexts } from "./texts.js";

/** The time between two announcements, in milliseconds. */
const interval = 10_000;

export class Announcer {
  readonly root = element("p", "visually-hidden");
  readonly #store: LogStore;
  readonly #texts: LogTexts;
  readonly #timer: ReturnType<typeof setInterval>;
  #arrived = 0;
  #errors = 0;
  muted = false;

  constructor(store: LogStore, texts: LogTexts, intervalMs = interval) {
    this.#store = store;
    this.#texts = texts;
    this.root.setAttribute("role", "status");
    this.#timer = setInterval(() => this.#announce(), intervalMs);
  }

  #announce(): void {
    // After the log was cleared, there are fewer than before.
    const lines = this.#store.arrived - Math.min(this.#arrived, this.#store.arrived);
    const errors = this.#store.errors - Math.min(this.#errors, this.#store.errors);
    this.#arrived = this.#store.arrived;
    this.#errors = this.#store.errors;
    this.root.textContent = lines === 0 || this.muted ? "" : this.#texts.summary(lines, errors);
  }

  close(): void {
    clearInterval(this.#timer);
    this.root.remove();
  }
}
