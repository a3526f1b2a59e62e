import { defineConfig } from "vitest/config";
import { vitestPlugin } from "./wasm-exec.mjs";

// What a client does is tested three times: where it is called, in a worker, and with calls
// that are made before the module runs.
export default defineConfig({
  plugins: [vitestPlugin],
  test: {
    projects: [
      { extends: true, test: { name: "page", include: ["test/unit/*.test.ts"] } },
      {
        extends: true,
        test: {
          name: "worker",
          include: ["test/unit/{client,crash,heartbeat,resume}.test.ts"],
          setupFiles: ["test/unit/in-worker.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "early",
          include: ["test/unit/{client,heartbeat,resume}.test.ts"],
          setupFiles: ["test/unit/in-early.ts"],
        },
      },
    ],
  },
});
