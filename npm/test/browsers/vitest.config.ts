import { join } from "node:path";
import { defineConfig } from "vitest/config";

// The end-to-end tests that make sense in every browser. BROWSER says in which one; ONLY
// names some of the tests.
const only = process.env.ONLY?.split(" ").filter(Boolean) ?? [];
const suites = [
  "status",
  "logs",
  "resume",
  "ends",
  "many",
  "worker",
  "bad-input",
  "lease",
  "sdk-lease",
  "tenant",
  "shell",
  "react",
  "rolling",
  "discovery",
  "access",
  "request-id",
  "integrity",
  "field-follow",
  "field-logs",
  "field-refusals",
  "comfort",
  "page-life",
  "fallbacks",
];

// Those that only make sense here.
const own = ["browsers/unread.test.ts", "browsers/sockets.test.ts"];

export default defineConfig({
  test: {
    root: join(import.meta.dirname, ".."),
    include: [...suites.map((name) => `e2e/${name}.test.ts`), ...own].filter(
      (path) => only.length === 0 || only.some((name) => path.endsWith(`/${name}.test.ts`)),
    ),
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    retry: 0,
    slowTestThreshold: 15_000,
  },
});
