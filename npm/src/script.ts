// The entry for script tags: the same API under the global AkashProvider. Its worker
// runs the same script.
import { type Client, createClientFrom } from "./client.js";
import type { ClientOptions } from "./options.js";
import { workerName } from "./worker/worker-protocol.js";
import { listen } from "./worker/worker-service.js";

export * from "./public.js";

/** The module's hash; build.mjs sets it. */
declare const MODULE_INTEGRITY: string;

/**
 * The script's own element, which is known only while the script runs for the first time.
 */
const script = globalThis.document?.currentScript as HTMLScriptElement | null;
const src = script?.src;
const integrity = script?.integrity;

const beside = (name: string) => new URL(name, src || globalThis.location?.href);

/**
 * Loads the WebAssembly module, which is beside this script, and creates a client. If
 * the page verifies the script with an `integrity` attribute, the module and the
 * worker are verified, too.
 */
export function createClient(options: ClientOptions = {}): Promise<Client> {
  return createClientFrom(options, {
    url: () => beside("akash-provider-web.wasm"),
    integrity: integrity ? MODULE_INTEGRITY : undefined,
    worker: () => ({ url: beside(src || "akash-provider-web.js"), type: "classic", integrity }),
  });
}

const { document, name } = globalThis as { document?: Document; name?: string };
if (!document && name === workerName) listen();
