// What the person allowed the page to store: which wallet they use and what its tokens may
// do, in this browser; a pasted token, in this tab. Nothing else about a session is stored.

import { allGroups, type ScopeGroup } from "./scopes.js";
import type { WalletTerms } from "./session.js";

const walletKey = "akash-provider-web.wallet";
const tokenKey = "akash-provider-web.token";

/** A wallet that is used again on the next visit. */
export interface RememberedWallet extends WalletTerms {
  /** As in {@link FoundWallet}. */
  readonly id: string;
}

// Browsers may have storage switched off, and then throw.
function guard<T>(use: () => T): T | undefined {
  try {
    return use();
  } catch {
    return undefined;
  }
}

/** Stores which wallet to use on the next visit. */
export function rememberWallet({ id, life, groups }: RememberedWallet): void {
  guard(() => localStorage.setItem(walletKey, JSON.stringify({ id, life, groups })));
}

/** Returns the wallet to use again, if there is one. */
export function rememberedWallet(): RememberedWallet | undefined {
  const held = guard(() => JSON.parse(localStorage.getItem(walletKey) ?? "null"));
  if (typeof held?.id !== "string" || typeof held.life !== "number") return undefined;
  const groups = allGroups.filter((group: ScopeGroup) => [held.groups].flat().includes(group));
  return { id: held.id, life: held.life, groups };
}

/** Stores a token until the tab is closed. */
export function keepToken(token: string): void {
  guard(() => sessionStorage.setItem(tokenKey, token));
}

/** Returns the token that was kept in this tab, or "". */
export const keptToken = (): string => guard(() => sessionStorage.getItem(tokenKey)) ?? "";

/** Removes everything that is stored about a session. */
export function forgetSession(): void {
  guard(() => localStorage.removeItem(walletKey));
  guard(() => sessionStorage.removeItem(tokenKey));
}
