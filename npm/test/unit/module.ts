import { readFileSync } from "node:fs";

/** compile compiles the built module. */
export function compile(): WebAssembly.Module {
  return new WebAssembly.Module(
    readFileSync(new URL("../../dist/akash-provider-web.wasm", import.meta.url)),
  );
}

/** The module, for tests that may share it. */
export const wasmModule = compile();
