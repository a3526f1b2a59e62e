// The table of the browsers in the README, from the results in bin/browsers.json.
//
//   node test/browsers/table.mjs
//
// writes it into the README, between two comments, with the reasons for what is left out.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { areas, leftOutFiles, leftOutTests } from "./suites.mjs";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Where the results are: of each browser its version, and the tests of each file. */
export const resultsFile = `${root}bin/browsers.json`;

const begin = "<!-- Written by `make browser-table`: -->";
const end = "<!-- The end of what it writes. -->";

/** The results so far. */
export function readResults() {
  return existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, "utf8")) : {};
}

/** How many tests of each area passed in each browser, as Markdown. */
export function table(results) {
  const browsers = Object.values(results);
  const rows = [...Object.entries(areas), ["**all**", Object.values(areas).flat()]].map(
    ([area, files]) => [area, ...browsers.map(({ suites }) => cell(files, suites))],
  );
  const lines = [
    ["", ...browsers.map(({ version }) => version)],
    ["---", ...browsers.map(() => "---")],
  ];
  return [...lines, ...rows].map((line) => `| ${line.join(" | ")} |`).join("\n");
}

/** The tests of some files: those that passed, of how many, and how many were left out. */
function cell(files, suites) {
  const run = files.flatMap((file) => suites[file] ?? []);
  if (run.length === 0) return "not run";
  const sum = (what) => run.reduce((sum, suite) => sum + suite[what], 0);
  const passed = sum("passed");
  const all = passed + sum("failed");
  const parts = [passed === all ? `${passed}` : `${passed} of ${all}`];
  if (sum("skipped") > 0) parts.push(`${sum("skipped")} left out`);
  const missing = files.filter((file) => !suites[file]);
  if (missing.length > 2) parts.push(`${missing.length} files not run`);
  else if (missing.length > 0) parts.push(`\`${missing.join("`, `")}\` not run`);
  return parts.join(", ");
}

/** When the tests ran, and whether at once. */
function when(results) {
  const runs = Object.values(results).flatMap(({ suites }) =>
    Object.values(suites).map(({ run }) => run),
  );
  const days = [...new Set(runs.map(day))];
  const format = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" });
  const [first, last] = [days.reduce(lesser), days.reduce(greater)].map((day) =>
    format.format(new Date(day)),
  );
  const time = first === last ? `On ${first}` : `From ${first} to ${last}`;
  return `${time}, ${new Set(runs).size === 1 ? "in one run" : "in several runs"}, these tests passed:`;
}

const day = (time) => time.slice(0, 10);
const lesser = (a, b) => (a < b ? a : b);
const greater = (a, b) => (a > b ? a : b);

/** Why something is left out, a sentence each. */
export function reasons() {
  return [...Object.values(leftOutTests), ...leftOutFiles].map(({ why }) => why);
}

/** What the README says of the results. Chromium's are those of each `make test`. */
export function section({ chromium: _, ...results }) {
  const list = reasons().map((why) => `- ${why}`);
  return [when(results), table(results), "Left out:", list.join("\n")].join("\n\n");
}

/** Replaces the section in a document. */
export function withSection(document, text) {
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the README lacks ${begin} or ${end}`);
  return `${document.slice(0, from + begin.length)}\n${text}\n${document.slice(to)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const results = readResults();
  if (!results.firefox && !results.webkit) {
    throw new Error("no results of Firefox or WebKitGTK: make test-browsers first");
  }
  const readme = `${root}README.md`;
  writeFileSync(readme, withSection(readFileSync(readme, "utf8"), section(results)));
}
