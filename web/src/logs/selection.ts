// What is selected in a log, of which only some rows are on the page.

import { plainText } from "./ansi.js";
import type { Row } from "./row.js";
import type { Rows } from "./rows.js";
import type { LogStore } from "./store.js";

/** Lines that are selected as a whole. */
export type Pick = "all" | { from: number; to: number } | undefined;

/** An end of the browser's selection. */
interface Point {
  id: number;
  /** How many characters of the row's text are before it. */
  offset: number;
}

/** More text than this is not put on the clipboard, in characters. */
export const clipboardLimit = 64 * 1024 * 1024;

export class Selected {
  readonly #layer: HTMLElement;
  readonly #drawn: ReadonlyMap<number, Row>;
  #points: { start: Point; end: Point } | undefined;
  pick: Pick;

  constructor(layer: HTMLElement, drawn: ReadonlyMap<number, Row>) {
    this.#layer = layer;
    this.#drawn = drawn;
  }

  /** Whether a line is selected as a whole. */
  picks(id: number): boolean {
    const { pick } = this;
    if (pick === undefined || pick === "all") return pick === "all";
    return id >= Math.min(pick.from, pick.to) && id <= Math.max(pick.from, pick.to);
  }

  /** The lines whose elements hold the ends of the browser's selection. */
  held(): Set<number> {
    return new Set(this.#points ? [this.#points.start.id, this.#points.end.id] : []);
  }

  /** Reads the browser's selection. Reports whether it begins and ends in this log. */
  read(): boolean {
    this.#points = undefined;
    const selection = getSelection();
    if (!selection || selection.isCollapsed || selection.rangeCount === 0) return false;
    const range = selection.getRangeAt(0);
    const start = this.#point(range.startContainer, range.startOffset);
    const end = this.#point(range.endContainer, range.endOffset);
    if (!start || !end) return false;
    this.#points = { start, end };
    return true;
  }

  #point(node: Node, offset: number): Point | undefined {
    if (!this.#layer.contains(node)) return undefined;
    if (node === this.#layer) {
      // Between rows.
      const next = this.#layer.childNodes[offset] as HTMLElement | undefined;
      const last = this.#layer.lastElementChild as HTMLElement | null;
      if (next) return { id: Number(next.dataset.line), offset: 0 };
      return last ? { id: Number(last.dataset.line), offset: Number.MAX_SAFE_INTEGER } : undefined;
    }
    const within = node instanceof Element ? node : node.parentElement;
    const id = Number(within?.closest<HTMLElement>("[data-line]")?.dataset.line);
    const row = this.#drawn.get(id);
    if (!row) return undefined;
    const range = document.createRange();
    range.selectNodeContents(row.text);
    const side = range.comparePoint(node, offset);
    if (side < 0) return { id, offset: 0 };
    if (side > 0) return { id, offset: Number.MAX_SAFE_INTEGER };
    range.setEnd(node, offset);
    return { id, offset: range.toString().length };
  }

  /** The selected text: that of the lines, without the names before them. */
  text(store: LogStore, rows: Rows): string | undefined {
    if (this.pick !== undefined) {
      const all = this.pick === "all";
      const { from, to } = this.pick === "all" ? { from: 0, to: store.next } : this.pick;
      return textOf(store, rows, Math.min(from, to), Math.max(from, to), all);
    }
    if (!this.#points) return undefined;
    const { start, end } = this.#points;
    if (start.id === end.id) return this.#partOf(store, start.id, start.offset, end.offset);
    const lines = [this.#partOf(store, start.id, start.offset)];
    let length = 0;
    for (const id of rows.from(start.id + 1)) {
      if (id >= end.id) break;
      const text = plainText(store.line(id)?.text ?? "");
      length += text.length;
      if (length > clipboardLimit) return undefined;
      lines.push(text);
    }
    if (end.offset > 0) lines.push(this.#partOf(store, end.id, 0, end.offset));
    return lines.join("\n");
  }

  #partOf(store: LogStore, id: number, from: number, to = Number.MAX_SAFE_INTEGER): string {
    const row = this.#drawn.get(id);
    if (row?.pretty) return (row.text.textContent ?? "").slice(from, to);
    const text = plainText(store.line(id)?.text ?? "");
    // What is selected from its beginning includes the time that a column shows.
    const skipped = row?.skipped ?? 0;
    return text.slice(from === 0 ? 0 : from + skipped, to + skipped);
  }
}

/** The text of the rows from one line to another; undefined if that is too much. */
export function textOf(
  store: LogStore,
  rows: Rows,
  from: number,
  to: number,
  endLine = false,
): string | undefined {
  const lines: string[] = [];
  let length = 0;
  for (const id of rows.from(from)) {
    if (id > to) break;
    const text = plainText(store.line(id)?.text ?? "");
    length += text.length + 1;
    if (length > clipboardLimit) return undefined;
    lines.push(text);
  }
  return lines.join("\n") + (endLine && lines.length > 0 ? "\n" : "");
}
