import { describe, expect, test } from "vitest";
import { plainText, styledRuns } from "../../src/logs/ansi.js";

const esc = "\u001b";

describe("the text of a line", () => {
  test.each([
    ["has no escape sequences", `${esc}[1;31mred${esc}[0m plain`, "red plain"],
    ["has no cursor movements", `a${esc}[2K${esc}[1Gb${esc}[?25l`, "ab"],
    ["has no window titles", `${esc}]0;title\u0007text`, "text"],
    [
      "keeps the text of a terminal's link",
      `${esc}]8;;https://x.y${esc}\\here${esc}]8;;${esc}\\`,
      "here",
    ],
    ["has no sequence that the line cuts off", `text${esc}[3`, "text"],
    ["has no control characters but tabs", "a\u0000b\u0007\tc\u009b", "ab\tc"],
    ["is the last state of progress", "10%\r50%\r100%", "100%"],
    ["is the last state before a final return", "10%\r100%\r", "100%"],
    ["is the whole line of Windows", "text\r", "text"],
    ["is the last state where only colours follow", `10%\r100%\r${esc}[0m`, "100%"],
  ])("%s", (_, line, text) => {
    expect(plainText(line)).toBe(text);
    expect(
      styledRuns(line)
        .map((run) => run.text)
        .join(""),
    ).toBe(text);
  });
});

describe("styles", () => {
  const styles = (line: string) => styledRuns(line).map(({ text, style }) => `${text}: ${style}`);

  test.each([
    ["basic colours", `${esc}[31ma${esc}[94mb${esc}[39mc`, ["a: fg-red", "b: fg-blue", "c: "]],
    ["backgrounds", `${esc}[41;37ma${esc}[49mb`, ["a: fg-white bg-red", "b: fg-white"]],
    [
      "attributes",
      `${esc}[1;3;4ma${esc}[22mb${esc}[mc`,
      ["a: bold italic underline", "b: italic underline", "c: "],
    ],
    [
      "256 colours",
      `${esc}[38;5;196ma${esc}[38;5;46mb${esc}[38;5;240mc`,
      ["a: fg-red", "b: fg-green", "c: fg-gray"],
    ],
    [
      "true colours",
      `${esc}[38;2;255;140;0ma${esc}[48;2;0;0;255mb`,
      ["a: fg-orange", "b: fg-orange bg-blue"],
    ],
    [
      "colours with colons",
      `${esc}[38:2::120:60:255;1ma${esc}[38:5:208mb`,
      ["a: bold fg-violet", "b: bold fg-orange"],
    ],
    ["what comes before a return", `${esc}[32m10%\r100%`, ["100%: fg-green"]],
  ])("%s", (_, line, want) => {
    expect(styles(line)).toEqual(want);
  });

  test("ignore what is not a style, and end", () => {
    expect(styles(`${esc}[38ma${esc}[38;5mb${esc}[999mc${esc}[38;2;1md`).join("")).toContain("a");
  });
});
