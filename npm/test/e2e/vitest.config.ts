import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    // Each file runs a browser and programs of its own; two at once fight for
    // the processor and prove nothing more.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What takes a browser is slow; only what is slower than that is news.
    slowTestThreshold: 15_000,
  },
});
