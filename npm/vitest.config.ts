import { defineConfig } from "vitest/config";
import { vitestPlugin } from "./wasm-exec.mjs";

// What a client does is tested twice: where it is called, and in a worker.
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
    ],
  },
});
