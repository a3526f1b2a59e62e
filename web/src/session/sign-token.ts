// Makes tokens that a wallet signs (AEP-64, ES256KADR36).

import type { Scope } from "./scopes.js";
import { chainId, type Wallet } from "./wallets.js";

/** What a token is to say. */
export interface TokenRequest {
  readonly owner: string;
  /** The only provider that may use it: one could use a token for all at any other. */
  readonly provider: string;
  readonly scopes: readonly Scope[];
  /** How long it is valid, in seconds. */
  readonly life: number;
}

/**
 * How far a token's beginning lies in the past, in seconds. Providers tolerate no
 * difference between clocks.
 */
const backdate = 30;

/** Asks a wallet to sign a token. */
export async function signToken(
  wallet: Wallet,
  { owner, provider, scopes, life }: TokenRequest,
  now = Date.now(),
): Promise<string> {
  const seconds = Math.floor(now / 1000);
  const head = { alg: "ES256KADR36", typ: "JWT" };
  const claims = {
    iss: owner,
    iat: seconds - backdate,
    nbf: seconds - backdate,
    exp: seconds + life,
    version: "v1",
    leases: {
      access: "granular",
      permissions: [{ provider, access: "scoped", scope: scopes }],
    },
  };
  const text = `${encode(head)}.${encode(claims)}`;
  const { signature } = await wallet.signArbitrary(chainId, owner, text);
  return `${text}.${toUrl(signature)}`;
}

/** Encodes as JSON in base64url. The claims are ASCII. */
const encode = (value: object) => toUrl(btoa(JSON.stringify(value)));

const toUrl = (base64: string) =>
  base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
