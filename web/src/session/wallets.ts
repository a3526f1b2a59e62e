// Browser wallets that can sign a text: Keplr, Leap, and others with Keplr's interface.

/** A signature as wallets return it. */
export interface StdSignature {
  /** In base64: 64 bytes, r and s. */
  readonly signature: string;
}

/** The part of Keplr's interface that the page uses. */
export interface Wallet {
  /** Asks the person whether the page may use the wallet for a chain. */
  enable(chainId: string): Promise<void>;
  getKey(chainId: string): Promise<{ readonly bech32Address: string; readonly name?: string }>;
  /** Asks the person to sign a text (ADR-36). */
  signArbitrary(chainId: string, signer: string, data: string): Promise<StdSignature>;
}

/** A wallet that the browser has. */
export interface FoundWallet {
  readonly id: string;
  readonly name: string;
  readonly wallet: Wallet;
  /** The event of the window when the person has chosen another account. */
  readonly changed: string;
}

/**
 * The chain whose keys are used. Wallets know it, and an account's address is the same on
 * every Akash network.
 */
export const chainId = "akashnet-2";

/** Where wallets put themselves, and what people call them. */
const places = [
  { id: "keplr", name: "Keplr", changed: "keplr_keystorechange" },
  { id: "leap", name: "Leap", changed: "leap_keystorechange" },
  // A program that serves the page together with a wallet of its own puts it here; the
  // demo of "make run" does.
  { id: "akashWallet", name: "Demo wallet", changed: "akashWallet_keystorechange" },
];

const isWallet = (value: unknown): value is Wallet =>
  typeof value === "object" &&
  value !== null &&
  ["enable", "getKey", "signArbitrary"].every(
    (name) => typeof (value as Record<string, unknown>)[name] === "function",
  );

/** Returns the wallets that the browser has now. Extensions may be late. */
export function findWallets(scope: object = globalThis): FoundWallet[] {
  return places.flatMap((place) => {
    const wallet = (scope as Record<string, unknown>)[place.id];
    return isWallet(wallet) ? [{ ...place, wallet }] : [];
  });
}
