import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    // Building the programs, which may find nothing in Go's cache.
    testTimeout: 900_000,
    hookTimeout: 900_000,
    slowTestThreshold: 60_000,
  },
});
