// The entry for Node, whose fetch does not read files. The API is that of index.ts.
import { readFile } from "node:fs/promises";
import { type Client, createClientFrom } from "./client.js";
import type { ClientOptions } from "./options.js";

export * from "./public.js";

/** Loads the WebAssembly module, once for all clients, and makes a client. */
export function createClient(options: ClientOptions = {}): Promise<Client> {
  return createClientFrom(options, {
    url: () => new URL("./akash-provider-web.wasm", import.meta.url),
    fetch: fetchOrRead,
    worker: () => ({ url: new URL("./worker.js", import.meta.url), type: "module" }),
  });
}

async function fetchOrRead(url: URL, init?: RequestInit): Promise<Response> {
  if (url.protocol !== "file:") return fetch(url, init);
  return new Response(await readFile(url), { headers: { "content-type": "application/wasm" } });
}
