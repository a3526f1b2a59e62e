// Shows how many lines arrive in a second, beside the state of the stream. It is not read
// out: it changes all the time.

import type { LogStore } from "./store.js";
import type { LogTexts } from "./texts.js";

const interval = 1_000;

export class Pace {
  readonly #store: LogStore;
  readonly #texts: LogTexts;
  readonly #place: { readonly current: HTMLElement | null };
  readonly #timer: ReturnType<typeof setInterval>;
  #arrived = 0;
  #then = performance.now();

  constructor(store: LogStore, texts: LogTexts, place: { readonly current: HTMLElement | null }) {
    this.#store = store;
    this.#texts = texts;
    this.#place = place;
    this.#timer = setInterval(() => this.#show(), interval);
  }

  #show(): void {
    const { arrived } = this.#store;
    const now = performance.now();
    const rate = ((arrived - Math.min(this.#arrived, arrived)) / (now - this.#then)) * 1_000;
    this.#arrived = arrived;
    this.#then = now;
    const place = this.#place.current;
    if (place) place.textContent = rate < 1 ? "" : `· ${this.#texts.rate(rate)}`;
  }

  close(): void {
    clearInterval(this.#timer);
    if (this.#place.current) this.#place.current.textContent = "";
  }
}
