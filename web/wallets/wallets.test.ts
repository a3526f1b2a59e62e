// The dashboard's use of wallets beside what Keplr and Leap publish: their types, which tsc
// compares with what the page calls, and Keplr's code for ADR-36, which makes and verifies
// the bytes that are signed. The extensions themselves are not run.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  Bech32Address,
  makeADR36AminoSignDoc,
  serializeSignDoc,
  verifyADR36Amino,
} from "@keplr-wallet/cosmos";
import { PrivKeySecp256k1 } from "@keplr-wallet/crypto";
import type { Keplr } from "@keplr-wallet/types";
import type { Leap } from "@leapwallet/types";
import { expect, test } from "vitest";
import { signToken } from "../src/session/sign-token.js";
import { chainId, findWallets, type Wallet } from "../src/session/wallets.js";

/** That this compiles is the test: the page calls nothing that they do not have. */
export const fromKeplr = (keplr: Keplr): Wallet => keplr;
export const fromLeap = (leap: Leap): Wallet => leap;

const key = new PrivKeySecp256k1(createHash("sha256").update("a tenant's key").digest());
const publicKey = key.getPubKey();
const owner = new Bech32Address(publicKey.getCosmosAddress()).toBech32("akash");

/** Signs as Keplr does: the SHA-256 of the bytes, r and s. */
function sign(bytes: Uint8Array): string {
  const { r, s } = key.signDigest32(createHash("sha256").update(bytes).digest());
  return Buffer.concat([r, s]).toString("base64");
}

/** Keplr's signArbitrary, of its own parts. */
const keplr: Wallet = {
  enable: async () => {},
  getKey: async () => ({ bech32Address: owner, name: "main" }),
  signArbitrary: async (_, signer, data) => ({
    signature: sign(serializeSignDoc(makeADR36AminoSignDoc(signer, data))),
  }),
};

const request = {
  owner,
  provider: `akash1${"p".repeat(38)}`,
  scopes: ["logs", "status"],
  life: 300,
} as const;

/** Whether Keplr's code accepts a token's signature as that of its text. */
function isSigned(token: string): boolean {
  const [head, claims, signature = ""] = token.split(".");
  const bytes = Buffer.from(signature, "base64url");
  return verifyADR36Amino("akash", owner, `${head}.${claims}`, publicKey.toBytes(), bytes);
}

test("a token that Keplr signs has the signature that Keplr's code verifies", async () => {
  const token = await signToken(keplr, request);
  expect(isSigned(token)).toBe(true);
  const [head, , signature] = token.split(".");
  const others = Buffer.from(JSON.stringify({ iss: owner, exp: 1 })).toString("base64url");
  expect(isSigned(`${head}.${others}.${signature}`)).toBe(false);
  expect(JSON.parse(Buffer.from(head ?? "", "base64url").toString())).toEqual({
    alg: "ES256KADR36",
    typ: "JWT",
  });
});

test("the wallet of the demo and of the tests signs the bytes that Keplr signs", async () => {
  const source = await readFile(new URL("../wallet-page.js", import.meta.url), "utf8");
  const make = new Function(`${source}; return demoWallet;`)();
  let signed = "";
  const demo: Wallet = make({
    address: owner,
    sign: async (text: string) => {
      signed = text;
      return sign(Buffer.from(text));
    },
  });
  const text = "eyJhbGciOiJFUzI1NktBRFIzNiJ9.eyJpc3MiOiJha2FzaDEifQ";
  const { signature } = await demo.signArbitrary(chainId, owner, text);
  const bytes = serializeSignDoc(makeADR36AminoSignDoc(owner, text));
  expect(signed).toBe(Buffer.from(bytes).toString());
  expect(signature).toBe((await keplr.signArbitrary(chainId, owner, text)).signature);
  expect(isSigned(await signToken(demo, request))).toBe(true);
});

test("wallets are found where the extensions put them", () => {
  const found = findWallets({ keplr, leap: keplr });
  expect(found.map(({ id, name, changed }) => [id, name, changed])).toEqual([
    ["keplr", "Keplr", "keplr_keystorechange"],
    ["leap", "Leap", "leap_keystorechange"],
  ]);
});
