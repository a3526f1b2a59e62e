// Shared by "make run" and "make dev": the paths of the programs, the port of the
// dashboard, and its address.

import { once } from "node:events";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** The directory of the built programs. */
export const bin = join(root, "bin");

const usual = "127.0.0.1:8080";

/** Returns whether the default address is free. */
async function isFree(address) {
  const [host, port] = address.split(":");
  const probe = createServer().listen({ host, port: Number(port) });
  try {
    await once(probe, "listening");
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}

/** Returns the address to listen on: the requested one, the default one, or a free port if that is taken. */
export async function listenAddress(asked, target) {
  if (asked) return asked;
  if (await isFree(usual)) return usual;
  console.log(
    `Port 8080 is taken; using a free one. Choose with: make ${target} LISTEN=127.0.0.1:9000`,
  );
  return "127.0.0.1:0";
}

/**
 * Returns the address at which the demo begins: the tenant's wallet is there to sign in
 * with, so that no token stands in an address.
 */
export const dashboard = (url) => `${url}/#/sign-in`;
