import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { areas, own } from "./suites.mjs";

// The end-to-end tests that make sense in every browser. BROWSER says in which one; ONLY
// names some of the test files.
const only = process.env.ONLY?.split(" ").filter(Boolean) ?? [];
const all = Object.values(areas).flat();
const unknown = only.filter((name) => !all.includes(name));
if (unknown.length > 0) throw new Error(`not among test/browsers/suites.mjs: ${unknown}`);

export default defineConfig({
  test: {
    root: join(import.meta.dirname, ".."),
    include: all
      .filter((name) => only.length === 0 || only.includes(name))
      .map((name) => `${own.includes(name) ? "browsers" : "e2e"}/${name}.test.ts`),
    fileParallelism: false,
    // The tests have shorter limits for what they try.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    retry: 0,
    slowTestThreshold: 15_000,
  },
});
