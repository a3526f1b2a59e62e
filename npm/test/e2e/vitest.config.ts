import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    // Each file runs its own browser and programs, and waits for them much of the time: one at
    // a time left a third of two processors idle.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A browser on a busy CI machine can miss a time limit. A second failure is a failure.
    retry: process.env.CI ? 1 : 0,
    // Tests with a browser are slow, so only slower ones are reported.
    slowTestThreshold: 15_000,
  },
});
