// The entry for Node, whose fetch cannot read files. The API is that of index.ts.
import { readFile } from "node:fs/promises";
import { type Client, createClientFrom } from "./client.js";
import type { ClientOptions } from "./options.js";

export * from "./public.js";

const here = import.meta.url;

/**
 * beside returns the URL of a file beside this one. If Next.js recognized the name in
 * the source, it would turn it into a URL of the site, even on the server, where Node
 * cannot read it.
 */
const beside = (...name: string[]) => new URL(name.join("."), here);

/** Loads the WebAssembly module, once for all clients, and creates a client. */
export function createClient(options: ClientOptions = {}): Promise<Client> {
  return createClientFrom(options, {
    url: () => beside("akash-provider-web", "wasm"),
    fetch: fetchOrRead,
    worker: () => ({ url: beside("worker", "js"), type: "module" }),
  });
}

async function fetchOrRead(url: URL, init?: RequestInit): Promise<Response> {
  if (url.protocol !== "file:") return fetch(url, init);
  return new Response(await readFile(url), { headers: { "content-type": "application/wasm" } });
}
