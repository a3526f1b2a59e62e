// The built files in dist/.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const dist = new URL("../../dist/", import.meta.url);
const scripts = readdirSync(dist).filter((name) => name.endsWith(".js"));

// Deletes all globals of the platform, freezes the rest, and imports.
const bare = (url: string) => `
  import { runInNewContext } from "node:vm";
  const language = new Set(runInNewContext("Object.getOwnPropertyNames(globalThis)"));
  const names = Object.getOwnPropertyNames(globalThis).filter((name) => !language.has(name));
  const { console } = globalThis;
  for (const name of names) delete globalThis[name];
  Object.freeze(globalThis);
  const { createClient } = await import(${JSON.stringify(url)});
  console.log(typeof createClient, names.includes("fetch"), typeof fetch, typeof process);
`;

test.each(["index.js", "node.js"])("importing %s uses no globals of the platform", (name) => {
  const program = bare(new URL(name, dist).href);
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", program]);
  expect(`${output}`).toBe("function true undefined undefined\n");
});

test("the hashes are those of the files", () => {
  const hashes: Record<string, string> = JSON.parse(
    readFileSync(new URL("sri.json", dist), "utf8"),
  );
  expect(Object.keys(hashes)).toEqual(["akash-provider-web.js", "akash-provider-web.wasm"]);
  for (const [name, hash] of Object.entries(hashes)) {
    const sum = createHash("sha384").update(readFileSync(new URL(name, dist)));
    expect(`sha384-${sum.digest("base64")}`).toBe(hash);
  }
});

test.each(scripts)("the source map of %s refers to the sources", (name) => {
  const url = new URL(name, dist);
  const [, map = ""] = /\/\/# sourceMappingURL=(.*)\n$/.exec(readFileSync(url, "utf8")) ?? [];
  expect(map).toBe(`${name}.map`);
  const { sources, sourcesContent } = JSON.parse(readFileSync(new URL(map, dist), "utf8"));
  expect(sources).toContainEqual(expect.stringMatching(/^\.\.\/src\/.*\.tsx?$/));
  for (const [i, source] of sources.entries()) {
    expect(sourcesContent[i]).toEqual(expect.any(String));
    if (source.startsWith("../")) expect(existsSync(new URL(source, dist)), source).toBe(true);
  }
});

test.each(scripts)("%s evaluates no text", (name) => {
  const text = readFileSync(new URL(name, dist), "utf8");
  expect(text).not.toMatch(/\beval\(|\bnew Function\b|\bFunction\(/);
});

test("the worker, which bundlers copy unchanged, is minified", () => {
  const text = readFileSync(new URL("worker.js", dist), "utf8");
  expect(text.split("\n").length).toBeLessThan(20);
});
