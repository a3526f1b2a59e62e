// The texts of the log view.

const number = new Intl.NumberFormat("en");
const count = (n: number) => number.format(n);
const lines = (n: number) => `${count(n)} ${n === 1 ? "line" : "lines"}`;

export const logTexts = {
  log: "Log",
  arrived: "The line does not say when it was written. This is when it arrived.",
  asWritten: "Show the line as it is written",
  indented: "Show as indented JSON",
  more: (n: number) => `${count(n)} more characters`,
  continues: "(continues)",
  newLines: (n: number) =>
    n === 0 ? "Go to the end" : `${count(n)} new ${n === 1 ? "line" : "lines"}`,
  held: "The log is full, and you are reading its oldest lines: no more are read until you move on.",
  empty: "No lines yet",
  emptyFilter: "No line passes the filter",
  lines,
  dropped: (kept: number, dropped: number) => `last ${count(kept)} of ${lines(kept + dropped)}`,
  shown: (n: number, of: number) => `${count(n)} of ${lines(of)}`,

  find: "Find",
  matchCase: "Match case",
  regex: "Regular expression",
  onlyMatches: "Only matching lines",
  previous: "Previous match",
  next: "Next match",
  matches: (n: number) => (n === 0 ? "No match" : `${lines(n)} ${n === 1 ? "matches" : "match"}`),
  matchOf: (at: number, of: number) => `${count(at)} of ${count(of)}`,
  searching: (percent: number) => `searched ${percent} %`,
  badRegex: (why: string) => `This is not a regular expression: ${why}`,
  slowRegex: "This regular expression takes too long. The search was stopped.",
  searchFailed: (why: string) => `The search failed: ${why}`,

  sources: "Replicas",
  levels: "Levels",
  all: "All",
  noLevel: "no level",
  wrap: "Wrap lines",
  times: "Times",
  asInLine: "As written",
  local: "Local",
  utc: "UTC",
  split: "Show",
  merged: "Together",
  columns: "Side by side",
  manyColumns: (n: number) => `The first ${n} replicas are shown. Choose others under “Replicas”.`,
  announce: "Announce new lines",
  copy: "Copy",
  download: "Download",
  downloadShown: "Download shown lines",
  clear: "Clear",
  copied: (n: number) => `Copied ${lines(n)}`,
  copyFailed: "The browser did not allow copying.",
  tooMuchToCopy: "That is too much for the clipboard. Download it instead.",
  saving: (percent: number) => `Saving, ${percent} %`,
  saved: (n: number) => `Saved ${lines(n)}`,
  saveFailed: (why: string) => `Not saved: ${why}`,
  summary: (n: number, errors: number) =>
    `${count(n)} new ${n === 1 ? "line" : "lines"}${errors > 0 ? `, ${count(errors)} with errors` : ""}`,

  gap: "Lines may be missing here.",
  lostLines: (n: number) => `${lines(n)} ${n === 1 ? "is" : "are"} missing here.`,
  lost: (why: string) => `The connection broke: ${why}`,
  again: (seconds: number) =>
    `Connected again after ${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s.`,
  event: (name: string, reason: string, note: string) => `${name}: ${reason}. ${note}`,
  ended: "End of the log.",
  stopped: "Stopped.",
  failed: (why: string) => `The log ended: ${why}`,
};

export type LogTexts = typeof logTexts;
