// The page's one client of its bridge.

import type { Client } from "akash-provider-web";

let opened: Promise<Client> | undefined;

/** Returns the page's client. If starting it failed, starts it again. */
export function openClient(): Promise<Client> {
  opened ??= open().catch((error) => {
    opened = undefined;
    throw error;
  });
  return opened;
}

// The package is loaded after the page has been painted, to which it is not needed.
async function open(): Promise<Client> {
  const { createClient } = await import("akash-provider-web");
  return createClient({ bridgeUrl: location.origin, wasmUrl: moduleUrl() });
}

/** Returns the module's URL, with its version, from where the page begins to load it. */
function moduleUrl(): string {
  const link = document.getElementById("module");
  return link instanceof HTMLLinkElement ? link.href : "/akash-provider-web.wasm";
}
