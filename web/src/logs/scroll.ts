// Maps the place in a log to the place of a scrollbar. A log can be higher than a browser
// lets an element be (about 17 million pixels in Firefox, 33 in Chromium).

/** The greatest height of the scrolled element. A transform is exact up to here. */
export const maxHeight = 8_000_000;

/** So far from both ends, a pixel of the scrollbar's range is one of the log. */
const ends = 200_000;

export class Scale {
  /** How far the log and the scrolled element can be scrolled. */
  readonly #log: number;
  readonly #element: number;
  /** The height of the scrolled element. */
  readonly height: number;

  constructor(total: number, viewport: number) {
    this.height = Math.min(maxHeight, Math.max(total, viewport));
    this.#log = Math.max(0, total - viewport);
    this.#element = Math.max(0, this.height - viewport);
  }

  /** The end of the log. */
  get end(): number {
    return this.#log;
  }

  /** Whether the log is higher than the element. */
  get scaled(): boolean {
    return this.#log > this.#element;
  }

  /** Where the element is scrolled to for a place in the log. */
  toElement(y: number): number {
    if (!this.scaled || y <= ends) return y;
    if (y >= this.#log - ends) return this.#element - (this.#log - y);
    return ends + ((y - ends) * (this.#element - 2 * ends)) / (this.#log - 2 * ends);
  }

  /** The place in the log for where the element is scrolled to. */
  toLog(top: number): number {
    if (!this.scaled || top <= ends) return top;
    if (top >= this.#element - ends) return this.#log - (this.#element - top);
    return ends + ((top - ends) * (this.#log - 2 * ends)) / (this.#element - 2 * ends);
  }
}
