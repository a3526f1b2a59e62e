// Which lines contain what is searched for. This runs in a worker, because a regular
// expression can take for ever on some lines, and nothing else can stop it.

import { plainText } from "./ansi.js";
import type { Range } from "./links.js";

export interface Query {
  text: string;
  /** Whether the text is a regular expression. */
  regex: boolean;
  matchCase: boolean;
}

/** Lines to be searched. */
export interface Request {
  id: number;
  query: Query;
  lines: string[];
  /** Whether to return where in the lines the matches are. */
  where: boolean;
}

export interface Answer {
  id: number;
  /** The indexes of the lines that match. */
  hits: number[];
  /** The matches in each line, if they were asked for. */
  ranges?: Range[][];
}

/** How many matches of a line are shown. */
const maxRanges = 200;

/** Returns the expression for a query. It throws a SyntaxError if that is not one. */
export function compile({ text, regex, matchCase }: Query): RegExp {
  const flags = matchCase ? "gu" : "giu";
  if (!regex) return new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), flags);
  try {
    return new RegExp(text, flags);
  } catch {
    // Without the flag u, more is allowed, such as \- and \_.
    return new RegExp(text, flags.replace("u", ""));
  }
}

export function search({ id, query, lines, where }: Request): Answer {
  const expression = compile(query);
  const hits: number[] = [];
  const ranges: Range[][] = [];
  lines.forEach((line, i) => {
    const text = plainText(line);
    expression.lastIndex = 0;
    if (where) ranges.push(findAll(expression, text));
    else if (expression.test(text)) hits.push(i);
  });
  return where ? { id, hits, ranges } : { id, hits };
}

function findAll(expression: RegExp, text: string): Range[] {
  const found: Range[] = [];
  while (found.length < maxRanges) {
    const match = expression.exec(text);
    if (!match) break;
    const end = match.index + match[0].length;
    if (match[0] === "") expression.lastIndex++;
    else found.push({ start: match.index, end });
    if (expression.lastIndex > text.length) break;
  }
  return found;
}
