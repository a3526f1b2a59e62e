// Reads JSON like JSON.parse, and knows on which line each value is and where the text is
// wrong. Browsers word errors of JSON.parse differently, and some give no position.

/** The steps from the whole text to a value: names of members, and indexes. */
export type JsonPath = readonly (string | number)[];

/** What a text has. */
export interface Json {
  readonly value: unknown;
  /** Returns the line of a value, from 1; that of the nearest value around it if it has none. */
  readonly lineOf: (path: JsonPath) => number;
}

/** Where a text is no JSON. */
export class JsonError extends Error {
  readonly line: number;
  readonly column: number;
  /** What should stand there. */
  readonly expected: string;

  constructor(line: number, column: number, expected: string) {
    super(`line ${line}, column ${column}: expected ${expected}`);
    this.line = line;
    this.column = column;
    this.expected = expected;
  }
}

/** How deeply values may be nested. */
const maxDepth = 100;

/** Reads a text, or throws a JsonError. */
export function readJson(text: string): Json {
  const lines = new Map<string, number>();
  let at = 0;
  let line = 1;
  let lineStart = 0;

  const fail = (expected: string): never => {
    throw new JsonError(line, at - lineStart + 1, expected);
  };
  const space = () => {
    for (;;) {
      const c = text[at];
      if (c === "\n") {
        line++;
        lineStart = at + 1;
      } else if (c !== " " && c !== "\t" && c !== "\r") return;
      at++;
    }
  };
  const token = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const string = (expected: string): string => {
    const start = at;
    const quoted = token(/"(?:[^"\\\n]|\\.)*"/y) ?? fail(expected);
    try {
      return JSON.parse(quoted);
    } catch {
      at = start;
      return fail("a text without control characters and unknown escapes");
    }
  };

  const value = (path: JsonPath): unknown => {
    space();
    lines.set(keyOf(path), line);
    if (path.length > maxDepth) fail("less nesting");
    switch (text[at]) {
      case "{": {
        const members: Record<string, unknown> = {};
        list("}", () => {
          const name = string("a name in double quotes");
          space();
          if (text[at++] !== ":") {
            at--;
            fail('":"');
          }
          // Not members[name] = …, which would set the prototype for "__proto__".
          Object.defineProperty(members, name, {
            value: value([...path, name]),
            enumerable: true,
            configurable: true,
            writable: true,
          });
        });
        return members;
      }
      case "[": {
        const items: unknown[] = [];
        list("]", () => items.push(value([...path, items.length])));
        return items;
      }
      case '"':
        return string("the end of the text in double quotes");
    }
    const word = token(/true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    return JSON.parse(word ?? fail("a value"));
  };
  const list = (end: string, item: () => void) => {
    at++;
    space();
    if (text[at] === end) {
      at++;
      return;
    }
    for (;;) {
      space();
      item();
      space();
      if (text[at] === end) {
        at++;
        return;
      }
      if (text[at] !== ",") fail(`"," or "${end}"`);
      at++;
    }
  };

  const found = value([]);
  space();
  if (at < text.length) fail("the end");
  return {
    value: found,
    lineOf: (path) => {
      for (let n = path.length; n > 0; n--) {
        const known = lines.get(keyOf(path.slice(0, n)));
        if (known !== undefined) return known;
      }
      return lines.get(keyOf([])) ?? 1;
    },
  };
}

const keyOf = (path: JsonPath) => JSON.stringify(path);
