import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    testTimeout: 60_000,
    // Building the programs, which may find nothing in Go's cache.
    hookTimeout: 900_000,
    slowTestThreshold: 60_000,
  },
});
