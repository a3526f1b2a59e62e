// The floor of what is written in Go: a page that runs a program that does nothing, and
// then shows the status as cold-connect does.

import { show } from "./cold-show.ts";

declare const cold: { bridgeUrl: string; emptyUrl: string; provider: string };

/** What Go's own wasm_exec.js, which the page loads before, puts there. */
declare const Go: new () => {
  importObject: WebAssembly.Imports;
  run(instance: WebAssembly.Instance): Promise<void>;
};

const go = new Go();
const loading = WebAssembly.instantiateStreaming(fetch(cold.emptyUrl), go.importObject);
await go.run((await loading).instance);
await show(cold.bridgeUrl, cold.provider);
