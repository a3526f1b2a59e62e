// The entry for script tags: the same API under the global AkashProvider.
import { type Client, createClientFrom } from "./client.js";
import type { ClientOptions } from "./options.js";

export * from "./public.js";

/** The module's hash; build.mjs sets it. */
declare const MODULE_INTEGRITY: string;

/** The script's own tag, which is known only while the script runs for the first time. */
const script = globalThis.document?.currentScript as HTMLScriptElement | null;
const src = script?.src;
const checked = Boolean(script?.integrity);

/**
 * Loads the WebAssembly module, which lies beside this script, and makes a client.
 * A page that wants the script to be what it was, by an `integrity` attribute, wants
 * that of the module too.
 */
export function createClient(options: ClientOptions = {}): Promise<Client> {
  return createClientFrom(options, {
    url: () => new URL("akash-provider-web.wasm", src || globalThis.location?.href),
    integrity: checked ? MODULE_INTEGRITY : undefined,
  });
}
