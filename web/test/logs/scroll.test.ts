import { expect, test } from "vitest";
import { maxHeight, Scale } from "../../src/logs/scroll.js";

test("a short log scrolls as it is", () => {
  const scale = new Scale(50_000, 600);
  expect(scale.height).toBe(50_000);
  expect(scale.end).toBe(49_400);
  expect(scale.toElement(12_345)).toBe(12_345);
  expect(scale.toLog(12_345)).toBe(12_345);
  expect(new Scale(10, 600).end).toBe(0);
});

test("a log that is higher than browsers allow can be reached everywhere", () => {
  const scale = new Scale(400_000_000, 600);
  expect(scale.height).toBe(maxHeight);
  expect(scale.toElement(0)).toBe(0);
  expect(scale.toElement(scale.end)).toBe(maxHeight - 600);
  let before = -1;
  for (let y = 0; y <= scale.end; y += 999_983) {
    const top = scale.toElement(y);
    expect(top).toBeGreaterThan(before);
    expect(scale.toLog(top)).toBeCloseTo(y, 3);
    before = top;
  }
});
