// Lines that are JSON, made readable. Numbers stay as they are written: parsing and
// writing them again would change large ones.

import type { Run } from "./ansi.js";

/** Longer lines are not parsed. */
const longest = 200_000;

/** Whether a line is a JSON object or array. */
export function isJson(line: string): boolean {
  if (line.length > longest || !/^\s*[{[]/.test(line) || !/[}\]]\s*$/.test(line)) return false;
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

const token = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\]:,]/g;

/** Returns the parts of a JSON text, indented, with class names of logs.css. */
export function prettyJson(json: string): Run[] {
  const tokens = json.match(token) ?? [];
  const runs: Run[] = [];
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  const add = (text: string, style = "") => runs.push({ text, style });

  tokens.forEach((text, i) => {
    const next = tokens[i + 1];
    if (text === "{" || text === "[") {
      const empty = next === "}" || next === "]";
      if (!empty) depth++;
      add(empty ? text : text + line());
    } else if (text === "}" || text === "]") {
      const before = tokens[i - 1];
      const empty = before === "{" || before === "[";
      if (!empty) depth--;
      add(empty ? text : line() + text);
    } else if (text === ",") add(text + line());
    else if (text === ":") add(": ");
    else if (text.startsWith('"')) add(text, next === ":" ? "json-key" : "json-string");
    else add(text, "json-literal");
  });
  return runs;
}
