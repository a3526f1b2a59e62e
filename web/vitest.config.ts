import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

// The modules that need no browser. What needs one is tested in npm/test/e2e/dashboard*.
export default defineConfig({
  resolve: {
    alias: {
      "akash-provider-web/react": path("../npm/dist/react/index.js"),
      "akash-provider-web": path("../npm/dist/index.js"),
    },
  },
  test: { include: ["test/**/*.test.{ts,mjs}"] },
});
