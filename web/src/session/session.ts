// Who is signed in, and the credentials for calls about leases. They are in memory only,
// except for what the person allows (storage.ts).

import type { Auth } from "akash-provider-web";
import { useSyncExternalStore } from "react";
import type { CertificateFacts } from "./read-certificate.js";
import type { TokenFacts } from "./read-token.js";
import { allGroups, type ScopeGroup, scopesOf } from "./scopes.js";
import { signToken } from "./sign-token.js";
import { forgetSession } from "./storage.js";
import { chainId, type FoundWallet } from "./wallets.js";

/** Who is signed in. */
export interface Session {
  readonly kind: "none" | "wallet" | "token" | "certificate";
  /** The account whose leases can be seen; undefined if nobody is signed in. */
  readonly owner: string | undefined;
  /** What people call it: the wallet's name and that of the account in it. */
  readonly name: string | undefined;
  /** When the credentials expire, in milliseconds since 1970, if they do and stay so. */
  readonly expires: number | undefined;
  /**
   * What the tokens permit, as the person has chosen. With a pasted token or a certificate
   * the page does not choose, and this is everything.
   */
  readonly groups: readonly ScopeGroup[];
  /** What a pasted token names. */
  readonly token: TokenFacts | undefined;
  /** Returns the credentials for calls to a provider: for the same provider, the same ones. */
  readonly authFor: (provider: string) => Auth | undefined;
}

const nobody: Session = {
  kind: "none",
  owner: undefined,
  name: undefined,
  expires: undefined,
  groups: [],
  token: undefined,
  authFor: () => undefined,
};

let session = nobody;
/** Ends listening to the wallet of the session. */
let leaveWallet = () => {};
const listeners = new Set<() => void>();

function set(next: Session): void {
  leaveWallet();
  leaveWallet = () => {};
  session = next;
  for (const listener of listeners) listener();
}

/** How long a wallet's tokens are valid, and what they permit. */
export interface WalletTerms {
  /** In seconds. */
  readonly life: number;
  readonly groups: readonly ScopeGroup[];
}

/**
 * Signs in with a wallet. It is asked for tokens when calls need them, one for each
 * provider: a provider could use one that names others there.
 */
export async function signInWithWallet(found: FoundWallet, terms: WalletTerms): Promise<void> {
  const { wallet } = found;
  await wallet.enable(chainId);
  const { bech32Address: owner, name } = await wallet.getKey(chainId);
  const scopes = scopesOf(terms.groups);
  const auths = new Map<string, Auth>();
  const authFor = (provider: string): Auth => {
    const known = auths.get(provider);
    if (known) return known;
    const getToken = () => signToken(wallet, { owner, provider, scopes, life: terms.life });
    const auth: Auth = { type: "jwt", getToken };
    auths.set(provider, auth);
    return auth;
  };
  set({
    ...nobody,
    kind: "wallet",
    owner,
    name: name ? `${found.name}: ${name}` : found.name,
    groups: terms.groups,
    authFor,
  });
  // The tokens would be those of an account that the person no longer uses.
  addEventListener(found.changed, signOut);
  leaveWallet = () => removeEventListener(found.changed, signOut);
}

/** Signs in with a token that somebody pasted. */
export function signInWithToken(token: TokenFacts): void {
  const auth: Auth = { type: "jwt", token: token.token };
  set({
    ...nobody,
    kind: "token",
    owner: token.owner,
    expires: token.expires,
    groups: allGroups,
    token,
    authFor: () => auth,
  });
}

/** Signs in with a client certificate. */
export function signInWithCertificate({ certPem, keyPem, owner }: CertificateFacts): void {
  const auth: Auth = { type: "mtls", certPem, keyPem };
  set({ ...nobody, kind: "certificate", owner, groups: allGroups, authFor: () => auth });
}

/** Forgets the credentials, and what is stored of them. */
export function signOut(): void {
  forgetSession();
  set(nobody);
}

/** Returns who is signed in. The same object until that changes. */
export const currentSession = (): Session => session;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Returns who is signed in, and renders again when that changes. */
export const useSession = (): Session => useSyncExternalStore(subscribe, currentSession);

/**
 * Returns the credentials for calls to a provider, undefined if nobody is signed in. They
 * are the same object until somebody else signs in.
 */
export const useAuth = (provider: string): Auth | undefined => useSession().authFor(provider);
