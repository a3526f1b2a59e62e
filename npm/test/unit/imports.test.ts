// How the files of src/ may import each other, types included.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const src = join(import.meta.dirname, "../../src");

/** The files below src/, and their imports of each other. */
const imports = new Map<string, string[]>();
for (const name of readdirSync(src, { recursive: true, encoding: "utf8" })) {
  if (!/(?<!\.d)\.ts$/.test(name)) continue;
  const text = readFileSync(join(src, name), "utf8").replaceAll(/\/\*.*?\*\/|^\s*\/\/.*$/gms, "");
  const named = text.matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]*)\.js"/g);
  const files = [...named].map(([, path]) => `${normalize(join(dirname(name), path ?? ""))}.ts`);
  imports.set(name, files);
}

/** What every file may import; it imports nothing else. */
const common = [
  "bytes.ts",
  "dispose.ts",
  "errors.ts",
  "placeholder.ts",
  "token.ts",
  "traceparent.ts",
  "types.ts",
];

/** Which directories a directory may import, besides itself and the common files. */
const rooms: Record<string, string[]> = {
  common: [],
  transport: [],
  engine: ["transport"],
  worker: ["engine"],
  // The files of src/ itself: the API and the package's entry points.
  // A process in a container, and what is done with one.
  shell: ["engine"],
  api: ["transport", "engine", "worker", "shell"],
  react: ["api", "shell"],
  testing: ["api"],
  // Without the client and its module.
  "chain-sdk": ["transport"],
};

function roomOf(file: string): string {
  if (common.includes(file)) return "common";
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : "api";
}

/** Returns the files of an import cycle reachable from file, or undefined. */
function cycle(file: string, path: string[], clear: Set<string>): string[] | undefined {
  if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
  if (clear.has(file)) return undefined;
  for (const next of imports.get(file) ?? []) {
    const found = cycle(next, [...path, file], clear);
    if (found) return found;
  }
  clear.add(file);
  return undefined;
}

test("the imports are those of the sources", () => {
  expect(imports.get("client.ts")).toContain("engine/wasm-engine.ts"); // a value
  expect(imports.get("types.ts")).toEqual(["errors.ts"]); // a type
  for (const file of [...imports.values()].flat()) expect(imports.has(file), file).toBe(true);
});

test("there are no import cycles", () => {
  const clear = new Set<string>();
  for (const file of imports.keys()) expect(cycle(file, [], clear)).toBeUndefined();
});

test("directories import in one direction", () => {
  const wrong = [...imports].flatMap(([file, files]) => {
    const room = roomOf(file);
    expect(Object.keys(rooms)).toContain(room);
    const allowed = [room, "common", ...(rooms[room] ?? [])];
    return files.filter((f) => !allowed.includes(roomOf(f))).map((f) => `${file} → ${f}`);
  });
  expect(wrong).toEqual([]);
});
