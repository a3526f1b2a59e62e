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
 * The client can be used as soon as it is certain that the module is there, while the rest
 * of it loads: `getProviderStatus`, `discoverProviders` and `streamProviderStatus` send
 * their requests at once, and other calls wait for it.
 *
 * Throws a TypeError if an option is invalid, and a ProviderError if the module or the
 * worker cannot be loaded. A later call may succeed. If the module breaks off after it was
 * found, the calls made meanwhile fail, and the next one loads it again.
 */
export function createClient(options: ClientOptions = {}): Promise<Client> {
  return createClientFrom(options, {
    url: () => new URL("./akash-provider-web.wasm", import.meta.url),
    worker: () => ({ url: new URL("./worker.js", import.meta.url), type: "module" }),
  });
}
