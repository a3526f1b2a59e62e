// Go's own support file, whose place only `go env GOROOT` tells; run.mjs gives it
// to esbuild.
declare module "wasm_exec.js";
