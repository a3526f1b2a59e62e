import { type Client, createClientFrom } from "./client.js";
import type { ClientOptions } from "./options.js";

export * from "./public.js";

/**
 * Loads the WebAssembly module, once for all clients, and creates a client.
 *
 * ```ts
 * const client = await createClient({ bridgeUrl: "https://bridge.example.com" });
 * ```
 *
 * Throws a TypeError if an option is invalid, and a ProviderError if the module or the
 * worker cannot be loaded. A later call may succeed.
 */
export function createClient(options: ClientOptions = {}): Promise<Client> {
  return createClientFrom(options, {
    url: () => new URL("./akash-provider-web.wasm", import.meta.url),
    worker: () => ({ url: new URL("./worker.js", import.meta.url), type: "module" }),
  });
}
