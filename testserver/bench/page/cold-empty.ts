// The floor for clients written in Go: a page that runs an empty program, and then
// shows the status like cold-connect.

import { show } from "./cold-show.ts";

declare const cold: { bridgeUrl: string; emptyUrl: string; provider: string };

/** Defined by Go's wasm_exec.js, which the page loads first. */
declare const Go: new () => {
  importObject: WebAssembly.Imports;
  run(instance: WebAssembly.Instance): Promise<void>;
};

const go = new Go();
const loading = WebAssembly.instantiateStreaming(fetch(cold.emptyUrl), go.importObject);
await go.run((await loading).instance);
await show(cold.bridgeUrl, cold.provider);
