import { expect, test } from "vitest";
import { heartbeatFor, wasCut } from "../../src/transport/silence.js";

test("two cuts after the same silence make heartbeats come twice as often", () => {
  const bridge = "https://twice.example";
  wasCut(bridge, 10_020);
  expect(heartbeatFor(bridge, 15_000)).toBe(15_000);
  wasCut(bridge, 10_000);
  expect(heartbeatFor(bridge, 15_000)).toBe(5_000);
  expect(heartbeatFor(bridge, 3_000)).toBe(3_000);
  expect(heartbeatFor(bridge, 0)).toBe(0);
  expect(heartbeatFor("https://other.example", 15_000)).toBe(15_000);
});

test("cuts after different silences, or after none, say nothing", () => {
  const bridge = "https://often.example";
  for (const silence of [10_000, 4_000, 7_000, 20, 30, 12_000]) wasCut(bridge, silence);
  expect(heartbeatFor(bridge, 15_000)).toBe(15_000);
});

test("a bridge is not asked for more heartbeats than one a second", () => {
  const bridge = "https://short.example";
  wasCut(bridge, 1_600);
  wasCut(bridge, 1_600);
  expect(heartbeatFor(bridge, 15_000)).toBe(1_000);
});
