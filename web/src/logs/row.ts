// The element of one line.

import { plainText, type Run, styledRuns } from "./ansi.js";
import { isJson, prettyJson } from "./json.js";
import { findLinks, type Range } from "./links.js";
import { type Line, sourceName } from "./store.js";
import type { LogTexts } from "./texts.js";
import { findTime, formatTime, type TimeZoneShown } from "./time.js";

export interface RowOptions {
  texts: LogTexts;
  time: TimeZoneShown;
  /** Whether to name the service and replica. */
  source: boolean;
  /** The colour of a source: a number from 0 to 5. */
  hue: number;
  /** How many characters are shown. */
  shown: number;
  /** Whether to show JSON indented. */
  pretty: boolean;
  /** The matches of the search, in the line's plain text. */
  matches: readonly Range[];
}

export interface Row {
  element: HTMLElement;
  /** The element with the line's text, and nothing else. */
  text: HTMLElement;
  /** How many characters of the plain text come before what the element shows. */
  skipped: number;
  /** Whether the element shows other text than the line's. */
  pretty: boolean;
}

export function renderRow(line: Line, options: RowOptions): Row {
  const row = element("div", line.kind === "line" ? "log-row" : `log-row log-mark ${line.kind}`);
  row.dataset.line = String(line.id);
  row.tabIndex = -1;
  const text = element("span", "log-text");
  text.dir = "auto";
  if (line.kind !== "line") {
    if (line.source) row.append(who(line, options), " ");
    text.textContent = line.text;
    row.append(text, " ", element("span", "log-when", formatTime(line.time, zoneOf(options.time))));
    return { element: row, text, skipped: 0, pretty: false };
  }
  if (line.level) row.dataset.level = line.level;

  const plain = plainText(line.text);
  let skipped = 0;
  if (options.time !== "written") {
    const said = findTime(plain);
    skipped = said?.prefix ?? 0;
    const time = element("span", "log-time", formatTime(said?.ms ?? line.time, options.time));
    if (!said) {
      time.classList.add("arrived");
      time.title = options.texts.arrived;
    }
    row.append(time, " ");
  }
  if (options.source && line.source) row.append(who(line, options), " ");

  const json = isJson(plain);
  const pretty = json && options.pretty;
  if (pretty) {
    skipped = 0;
    append(text, prettyJson(plain), [], false);
  } else {
    const end = Math.max(skipped, cutAt(plain, options.shown));
    append(text, cut(styledRuns(line.text), skipped, end), shift(options.matches, skipped), true);
  }
  row.append(text);

  if (json) {
    const label = pretty ? options.texts.asWritten : options.texts.indented;
    row.append(" ", button("log-json", "{}", label, pretty));
  }
  if (!pretty && plain.length > options.shown) {
    row.append(" ", button("log-fold", options.texts.more(plain.length - options.shown)));
  }
  if (line.continues) row.append(" ", element("span", "log-note", options.texts.continues));
  return { element: row, text, skipped, pretty };
}

const zoneOf = (time: TimeZoneShown) => (time === "utc" ? "utc" : "local");

function who({ source }: Line, { hue }: RowOptions): HTMLElement {
  const name = element("span", "log-who", source ? sourceName(source) : "");
  name.dataset.hue = String(hue);
  return name;
}

function button(className: string, text: string, label?: string, pressed?: boolean): HTMLElement {
  const made = element("button", className, text) as HTMLButtonElement;
  made.type = "button";
  // The row is reached with the arrow keys, and Enter does what the button does.
  made.tabIndex = -1;
  if (label) made.title = label;
  if (label) made.setAttribute("aria-label", label);
  if (pressed !== undefined) made.setAttribute("aria-pressed", String(pressed));
  return made;
}

/** Creates an element with a class and a text. */
export function element(name: string, className = "", text = ""): HTMLElement {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** Where to cut a text, but not between the halves of a character. */
function cutAt(text: string, at: number): number {
  if (at >= text.length) return text.length;
  const code = text.charCodeAt(at - 1);
  return code >= 0xd800 && code < 0xdc00 ? at - 1 : at;
}

function cut(runs: Run[], start: number, end: number): Run[] {
  const kept: Run[] = [];
  let at = 0;
  for (const { text, style } of runs) {
    const part = text.slice(Math.max(0, start - at), Math.max(0, end - at));
    if (part) kept.push({ text: part, style });
    at += text.length;
  }
  return kept;
}

const shift = (ranges: readonly Range[], by: number) =>
  ranges.map(({ start, end }) => ({ start: start - by, end: end - by }));

/** Appends styled text, with its links and the matches of the search. */
function append(to: HTMLElement, runs: Run[], matches: readonly Range[], links: boolean): void {
  const text = runs.map((run) => run.text).join("");
  const addresses = links ? findLinks(text) : [];
  if (addresses.length === 0 && matches.length === 0) {
    for (const { text, style } of runs) to.append(style ? element("span", style, text) : text);
    return;
  }
  const edges = new Set<number>();
  for (const { start, end } of [...addresses, ...matches]) edges.add(start).add(end);
  const sorted = [...edges].sort((a, b) => a - b);

  let at = 0;
  let edge = 0;
  let link: HTMLAnchorElement | undefined;
  let nextLink = 0;
  let nextMatch = 0;
  for (const { text: whole, style } of runs) {
    let rest = whole;
    while (rest) {
      while (edge < sorted.length && (sorted[edge] as number) <= at) edge++;
      const length = Math.min(rest.length, (sorted[edge] ?? Number.POSITIVE_INFINITY) - at);
      const part = rest.slice(0, length);
      while ((addresses[nextLink]?.end ?? Infinity) <= at) nextLink++;
      while ((matches[nextMatch]?.end ?? Infinity) <= at) nextMatch++;
      const address = addresses[nextLink];
      const inLink = address !== undefined && address.start <= at;
      if (!inLink) link = undefined;
      else if (!link || address.start === at) {
        link = element("a") as HTMLAnchorElement;
        link.href = text.slice(address.start, address.end);
        link.target = "_blank";
        link.rel = "noopener noreferrer";
        to.append(link);
      }
      const match = matches[nextMatch];
      const marked = match !== undefined && match.start <= at;
      const node = style || marked ? element(marked ? "mark" : "span", style, part) : part;
      (link ?? to).append(node);
      at += length;
      rest = rest.slice(length);
    }
  }
}
