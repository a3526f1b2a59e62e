// Go's support file in `go env GOROOT`. run.mjs passes its path to esbuild.
declare module "wasm_exec.js";
