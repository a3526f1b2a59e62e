// Prints the results and writes bin/bench.json.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Shows the progress on a terminal, in a line that the next one overwrites. */
export function progress(text = "") {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** Formats a number with three digits, and a letter for thousands and millions. */
export function short(n) {
  const size = Math.abs(n);
  if (size >= 9_995_000) return `${(n / 1e6).toFixed(1)}M`;
  if (size >= 999_500) return `${(n / 1e6).toFixed(2)}M`;
  if (size >= 9_995) return `${(n / 1e3).toFixed(size >= 99_950 ? 0 : 1)}k`;
  if (size >= 100) return n.toFixed(0);
  if (size >= 10) return n.toFixed(1);
  return n.toFixed(size >= 1 ? 2 : 3);
}

const figure = ({ value, spread }) => `${short(value)} ±${Math.round(spread * 100)}%`;
const ratio = ({ value, least, most }) =>
  `${value.toFixed(2)}× (${least.toFixed(2)}–${most.toFixed(2)})`;

/** Prints the rows as one table, with a line per peer. */
export function print(rows) {
  const table = [["", "unit", "ours", "peer", "", "ratio (of rounds)", "floor"]];
  for (const row of rows) {
    const peers = Object.entries(row.peers);
    const arrow = row.better === "higher" ? "↑" : "↓";
    const first = [row.name, `${row.unit} ${arrow}`, figure(row.ours)];
    const floor = row.floor ? figure(row.floor) : "";
    if (peers.length === 0) table.push([...first, "", "", "", floor]);
    for (const [i, [name, peer]] of peers.entries()) {
      table.push([
        ...(i === 0 ? first : ["", "", ""]),
        name,
        figure(peer),
        ratio(row.ratios[name]),
        i === 0 ? floor : "",
      ]);
    }
  }
  columns(table);
}

/** Prints lines of cells, with a rule below the first line. */
export function columns(table) {
  const widths = table[0].map((_, i) => Math.max(...table.map((line) => line[i].length)));
  const line = (cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]))
      .join("  ")
      .trimEnd();
  console.log(line(table[0]));
  console.log(widths.map((width) => "─".repeat(width)).join("  "));
  for (const cells of table.slice(1)) console.log(line(cells));
}

/** Writes the rows as JSON. */
export function write(path, rows) {
  const round = (n) => Number(n.toPrecision(4));
  const values = (entries) =>
    Object.fromEntries(Object.entries(entries).map(([name, { value }]) => [name, round(value)]));
  const json = rows.map(({ name, unit, better, ours, peers, floor, ratios }) => ({
    name,
    unit,
    better,
    ours: round(ours.value),
    peers: values(peers),
    floor: floor && round(floor.value),
    ratios: values(ratios),
  }));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(json, null, 2)}\n`);
}
