import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const id = "wasm-exec";

/**
 * source is Go's own glue code, wasm_exec.js of the Go that builds the module, as
 * a function of the global object that the program is to see. It writes to no
 * other.
 */
function source() {
  const root = execFileSync("go", ["env", "GOROOT"], { encoding: "utf8" }).trim();
  const glue = readFileSync(join(root, "lib", "wasm", "wasm_exec.js"), "utf8");
  return `export function makeGo(globalThis) {
const { fs, console, crypto, performance, setTimeout, clearTimeout, TextEncoder, TextDecoder } = globalThis;
${glue}
return globalThis.Go;
}
`;
}

/** esbuildPlugin resolves "wasm-exec" for esbuild. */
export const esbuildPlugin = {
  name: id,
  setup(build) {
    build.onResolve({ filter: /^wasm-exec$/ }, () => ({ path: id, namespace: id }));
    build.onLoad({ filter: /.*/, namespace: id }, () => ({ contents: source(), loader: "js" }));
  },
};

/** vitestPlugin resolves "wasm-exec" for tests that run from the sources. */
export const vitestPlugin = {
  name: id,
  resolveId: (request) => (request === id ? `\0${id}` : undefined),
  load: (request) => (request === `\0${id}` ? source() : undefined),
};
