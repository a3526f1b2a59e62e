import assert from "node:assert/strict";
import { test } from "vitest";
import { Ring } from "../src/logs/ring.js";

const line = (message: string) => ({ service: "web", replica: 0, message });
const held = (ring: Ring) => Array.from({ length: ring.length }, (_, i) => ring.at(i)?.message);

test("stores the latest lines and counts dropped ones", () => {
  const ring = new Ring(3, 1000);
  for (const text of ["a", "b", "c", "d", "e"]) ring.push(line(text));
  assert.deepEqual(held(ring), ["c", "d", "e"]);
  assert.equal(ring.dropped, 2);
});

test("bounds the characters, but always stores the last line", () => {
  const ring = new Ring(100, 10);
  for (const text of ["aaaa", "bbbb", "cccc"]) ring.push(line(text));
  assert.deepEqual(held(ring), ["bbbb", "cccc"]);
  ring.push(line("x".repeat(50)));
  assert.deepEqual(held(ring), ["x".repeat(50)]);
  ring.push(line("y"));
  assert.deepEqual(held(ring), ["y"]);
  assert.equal(ring.dropped, 4);
});

test("is empty after clear", () => {
  const ring = new Ring(2, 1000);
  for (const text of ["a", "b", "c"]) ring.push(line(text));
  ring.clear();
  assert.equal(ring.length, 0);
  assert.equal(ring.dropped, 0);
  ring.push(line("d"));
  assert.deepEqual(held(ring), ["d"]);
});

test("behaves like a list that drops its oldest entries", () => {
  const ring = new Ring(7, 60);
  let list: string[] = [];
  let seed = 1;
  for (let i = 0; i < 2000; i++) {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    const text = "x".repeat(seed % 20) + i;
    list.push(text);
    ring.push(line(text));
    while (list.length > 7 || (list.length > 1 && list.join("").length > 60)) list = list.slice(1);
    assert.deepEqual(held(ring), list);
  }
});
