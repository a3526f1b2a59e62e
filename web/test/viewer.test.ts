import assert from "node:assert/strict";
import { test } from "vitest";
import { shown } from "../src/logs/viewer.js";

test("terminal escape sequences are removed", () => {
  assert.equal(shown("\u001b[32mok\u001b[0m \u001b[1;31;40mred\u001b[K\r"), "ok red");
  assert.equal(shown("\u001b]0;title\u0007text\u001b]8;;http://x\u001b\\link"), "textlink");
  assert.equal(shown("cut \u001b[3"), "cut ");
  assert.equal(shown("off \u001b"), "off ");
});

test("a very long line is truncated with a note", () => {
  const text = shown("x".repeat(10_000));
  assert.equal(text.length < 4_100, true);
  assert.match(text, /6,000 more characters/);
});

test("other text is unchanged", () => {
  for (const text of ["", "日本語 🚀 e\u0301", "<b>&amp;</b>", "\ttab"])
    assert.equal(shown(text), text);
});
