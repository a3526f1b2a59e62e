// Signs in again when the page is loaded, as far as the person has allowed.

import { readToken } from "./read-token.js";
import { signInWithToken, signInWithWallet } from "./session.js";
import { keptToken, rememberedWallet } from "./storage.js";
import { findWallets } from "./wallets.js";

/** How long to wait for a wallet's extension, in milliseconds. */
const patience = 3_000;

/** Signs in as on the last visit. */
export async function restoreSession(): Promise<void> {
  const token = readToken(keptToken());
  if (typeof token === "object") return signInWithToken(token);
  const held = rememberedWallet();
  if (!held) return;
  for (const deadline = Date.now() + patience; Date.now() < deadline; ) {
    const found = findWallets().find(({ id }) => id === held.id);
    // A wallet that refuses is not asked again: the person can sign in as the first time.
    if (found) return signInWithWallet(found, held).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
