import { defineConfig } from "vitest/config";
import { vitestPlugin } from "./wasm-exec.mjs";

export default defineConfig({
  plugins: [vitestPlugin],
});
