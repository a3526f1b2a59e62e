import { type Client, createClientFrom } from "./client.js";
import type { ClientOptions } from "./options.js";

export * from "./public.js";

/**
 * Loads the WebAssembly module, once for all clients, and makes a client.
 *
 * ```ts
 * const client = await createClient({ bridgeUrl: "https://bridge.example.com" });
 * ```
 *
 * Throws a TypeError for options of the wrong type and a ProviderError where the
 * module or the worker cannot be loaded; trying again later may then work.
 */
export function createClient(options: ClientOptions = {}): Promise<Client> {
  return createClientFrom(options, {
    url: () => new URL("./akash-provider-web.wasm", import.meta.url),
    worker: () => ({ url: new URL("./worker.js", import.meta.url), type: "module" }),
  });
}
