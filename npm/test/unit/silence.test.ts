import { expect, test } from "vitest";
import { heartbeatFor, wasCut } from "../../src/transport/silence.js";

test("two breaks after the same silence double the rate of heartbeats", () => {
  const bridge = "https://twice.example";
  wasCut(bridge, 10_020);
  expect(heartbeatFor(bridge, 15_000)).toBe(15_000);
  wasCut(bridge, 10_000);
  expect(heartbeatFor(bridge, 15_000)).toBe(5_000);
  expect(heartbeatFor(bridge, 3_000)).toBe(3_000);
  expect(heartbeatFor(bridge, 0)).toBe(0);
  expect(heartbeatFor("https://other.example", 15_000)).toBe(15_000);
});

test("breaks after different silences, or none, have no effect", () => {
  const bridge = "https://often.example";
  for (const silence of [10_000, 4_000, 7_000, 20, 30, 12_000]) wasCut(bridge, silence);
  expect(heartbeatFor(bridge, 15_000)).toBe(15_000);
});

test("the shortest heartbeat interval is one second", () => {
  const bridge = "https://short.example";
  wasCut(bridge, 1_600);
  wasCut(bridge, 1_600);
  expect(heartbeatFor(bridge, 15_000)).toBe(1_000);
});
