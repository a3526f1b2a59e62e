// The entry for script tags: the same API under the global AkashProvider.
import { type Client, createClientFrom } from "./client.js";
import type { ClientOptions } from "./options.js";

export * from "./public.js";

/** The script's own URL, which is known only while it runs for the first time. */
const script = (globalThis.document?.currentScript as HTMLScriptElement | null)?.src;

/** Loads the WebAssembly module, which lies beside this script, and makes a client. */
export function createClient(options: ClientOptions = {}): Promise<Client> {
  return createClientFrom(
    options,
    () => new URL("akash-provider-web.wasm", script || globalThis.location?.href),
  );
}
