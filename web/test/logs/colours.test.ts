// The colours of a log can be read in both themes: a contrast of at least 4.5 (WCAG 1.4.3).

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const read = (path: string) => readFileSync(new URL(`../../src/${path}`, import.meta.url), "utf8");
const sheets = read("app/app.css") + read("logs/logs.css");

type Rgb = [number, number, number];

/** The variables of a theme. */
function theme(dark: boolean): Map<string, string> {
  const found = new Map<string, string>();
  const isDark = /@media \(prefers-color-scheme: dark\) \{\s*:root \{([^}]*)\}/g;
  const light = sheets.replace(isDark, "");
  const take = (text: string) => {
    for (const [, name, value] of text.matchAll(/(--[\w-]+):\s*(#[0-9a-f]{3,6})\b/gi)) {
      found.set(name ?? "", value ?? "");
    }
  };
  for (const [, block] of light.matchAll(/:root \{([^}]*)\}/g)) take(block ?? "");
  if (dark) for (const [, block] of sheets.matchAll(isDark)) take(block ?? "");
  return found;
}

function rgb(hex: string): Rgb {
  const digits = hex.length === 4 ? [...hex.slice(1)].map((d) => d + d).join("") : hex.slice(1);
  const n = Number.parseInt(digits, 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

const mix = (a: Rgb, b: Rgb, share: number) =>
  a.map((part, i) => part * share + (b[i] ?? 0) * (1 - share)) as Rgb;

function luminance(colour: Rgb): number {
  const [r = 0, g = 0, b = 0] = colour.map((part) => {
    const c = part / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: Rgb, b: Rgb): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

describe.each([
  ["light", false],
  ["dark", true],
])("in the %s theme", (_, dark) => {
  const variables = theme(dark);
  const colour = (name: string) => rgb(variables.get(name) ?? "");
  const field = colour("--field");
  const names = [...variables.keys()].filter((name) => name.startsWith("--ansi-"));
  const fronts = [...names, "--ink", "--soft", ...[0, 1, 2, 3, 4, 5].map((n) => `--hue-${n}`)];
  const backs: [string, Rgb][] = [
    ["the field", field],
    ["a row under the pointer", colour("--track")],
    ["a selected row", colour("--picked")],
    ["a warning", mix(colour("--high"), field, 0.1)],
    ["an error", mix(colour("--over"), field, 0.09)],
    ...names.map((name): [string, Rgb] => [`on ${name}`, mix(colour(name), field, 0.12)]),
  ];

  test("there are colours", () => expect(names).toHaveLength(11));

  test.each(fronts)("%s", (front) => {
    const bad = backs
      .map(([name, back]) => `${name}: ${contrast(colour(front), back).toFixed(2)}`)
      .filter((text) => Number(text.split(": ")[1]) < 4.5);
    expect(bad).toEqual([]);
  });

  test("a match", () => {
    expect(contrast(colour("--match-ink"), colour("--match"))).toBeGreaterThanOrEqual(4.5);
  });

  test("inverse text", () => {
    for (const name of [...names, "--ink"]) {
      expect(contrast(field, colour(name)), name).toBeGreaterThanOrEqual(4.5);
    }
  });
});
