import { describe, expect, test } from "vitest";
import { isJson, prettyJson } from "../../src/logs/json.js";
import { levelOf } from "../../src/logs/level.js";
import { findLinks } from "../../src/logs/links.js";
import { findTime, formatTime } from "../../src/logs/time.js";

test.each([
  ["2026-11-29 INFO started", "info"],
  ["2026/11/29 16:17:13 [error] 31#31: connect() failed", "error"],
  ["2026-11-29T16:17:13.123Z warn web[0] slow", "warn"],
  ["2026-11-29 16:17:13 constructor called", ""],
  ["[WARN] disk almost full", "warn"],
  ["\u001b[33mWARN\u001b[0m disk", "warn"],
  ["error: cannot open", "error"],
  ["npm ERR! code 1", "error"],
  ["panic: runtime error: index out of range", "fatal"],
  ['time="2026-11-29T16:17:13Z" level=warning msg="x"', "warn"],
  ['{"level":"debug","msg":"an ERROR in the text"}', "debug"],
  ['{"severity":"CRITICAL"}', "fatal"],
  ['{"level":30,"msg":"pino"}', "info"],
  ['{"level":50,"msg":"pino"}', "error"],
  ["E1129 16:17:13.123456       1 main.go:12] failed", "error"],
  ["GET /api/error 200", ""],
  ["there were 0 ERRORS in this run", ""],
  ["INFORMATION_SCHEMA was read", ""],
  ["a path/to/INFO.txt", ""],
  ["", ""],
])("the level of %j is %j", (line, level) => {
  expect(levelOf(line)).toBe(level);
});

describe("times", () => {
  const at = Date.UTC(2026, 10, 29, 16, 17, 13, 123);

  test.each([
    ["2026-11-29T16:17:13.123456Z started", at, 28],
    ["2026-11-29T18:17:13,123+02:00 started", at, 30],
    ["[2026-11-29 16:17:13.123] started", at, 26],
    ["2026/11/29 16:17:13 started", at - 123, 20],
    ['{"msg":"x","time":"2026-11-29T16:17:13.123Z"}', at, 0],
    ['{"ts":1795969033.123}', at, 0],
    ['{"time":1795969033123}', at, 0],
    ["level=info ts=2026-11-29T16:17:13.123Z msg=x", at, 0],
  ])("are found in %j", (line, ms, prefix) => {
    expect(findTime(line)).toEqual({ ms, prefix });
  });

  test.each(["started", "12345 2026-11-29T16:17:13Z", "2026-13-29T16:17:13Z x", '{"time":12}'])(
    "are not in %j",
    (line) => expect(findTime(line)).toBeUndefined(),
  );

  test("are shown as UTC, or as local time", () => {
    expect(formatTime(at, "utc")).toBe("2026-11-29 16:17:13.123Z");
    const local = new Date(at);
    expect(formatTime(at, "local")).toContain(` ${String(local.getHours()).padStart(2, "0")}:`);
  });
});

describe("JSON", () => {
  test("is indented, and its numbers stay as they are", () => {
    const line = '{"dseq":12345678901234567890,"a":[1,{"b":null}],"c":"x: [1, 2]","d":[],"e":{}}';
    expect(isJson(line)).toBe(true);
    const text = prettyJson(line)
      .map((run) => run.text)
      .join("");
    expect(text).toBe(`{
  "dseq": 12345678901234567890,
  "a": [
    1,
    {
      "b": null
    }
  ],
  "c": "x: [1, 2]",
  "d": [],
  "e": {}
}`);
  });

  test.each(['{"a":1', "{a}", "[INFO] x]", "12", ""])("is not %j", (line) => {
    expect(isJson(line)).toBe(false);
  });
});

describe("links", () => {
  const links = (text: string) => findLinks(text).map(({ start, end }) => text.slice(start, end));

  test.each([
    ["see https://example.com/a?b=c#d.", ["https://example.com/a?b=c#d"]],
    ["(http://localhost:8080/)", ["http://localhost:8080/"]],
    ["https://en.wikipedia.org/wiki/Akash_(god), x", ["https://en.wikipedia.org/wiki/Akash_(god)"]],
    ['"https://a.b/c","https://d.e"', ["https://a.b/c", "https://d.e"]],
    ["javascript:alert(1) javascript://x.y/%0aalert(1) data:text/html,x ftp://x.y", []],
    ["https://", []],
  ])("in %j", (text, want) => {
    expect(links(text)).toEqual(want);
  });
});
