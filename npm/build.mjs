// Builds dist/ around dist/akash-provider-web.wasm, which `make build` or
// `npm run build` makes first: an ES module with its types, and a script for
// script tags.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { esbuildPlugin } from "./wasm-exec.mjs";

process.chdir(fileURLToPath(new URL(".", import.meta.url)));
if (!existsSync("dist/akash-provider-web.wasm")) {
  throw new Error("dist/akash-provider-web.wasm is missing: run `make build`, or `npm run build`");
}

const shared = {
  bundle: true,
  target: "es2022",
  charset: "utf8",
  sourcemap: true,
  logLevel: "warning",
  plugins: [esbuildPlugin],
};

await Promise.all([
  build({ ...shared, entryPoints: ["src/index.ts"], format: "esm", outfile: "dist/index.js" }),
  build({
    ...shared,
    entryPoints: ["src/script.ts"],
    format: "iife",
    globalName: "AkashProvider",
    outfile: "dist/akash-provider-web.js",
  }),
]);
execFileSync("node_modules/.bin/tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
