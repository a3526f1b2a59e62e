import assert from "node:assert/strict";
import { afterEach, test } from "vitest";
import { grants, readGrants } from "../src/session/grants.js";
import { readCertificate } from "../src/session/read-certificate.js";
import { cleanToken, readToken } from "../src/session/read-token.js";
import { currentSession, signInWithWallet, signOut } from "../src/session/session.js";
import { signToken } from "../src/session/sign-token.js";
import { findWallets, type Wallet } from "../src/session/wallets.js";

const owner = `akash1${"q".repeat(38)}`;
const provider = `akash1${"p".repeat(38)}`;

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const make = (claims: object) => `${part({ alg: "ES256K", typ: "JWT" })}.${part(claims)}.c2ln`;

test("what people copy with a token is removed", () => {
  const token = make({ iss: owner });
  for (const pasted of [
    token,
    ` ${token}\n`,
    `"${token}"`,
    `'${token}',`,
    `Bearer ${token}`,
    `"bearer  ${token}"`,
    `Authorization: Bearer ${token}`,
    `authorization: "Bearer ${token}"`,
    `${token.slice(0, 40)}\n  ${token.slice(40)}`,
  ]) {
    assert.equal(cleanToken(pasted), token, pasted);
  }
});

test("owner, provider and lease are read out of a token", () => {
  const token = make({
    iss: owner,
    exp: 1_700_000_000,
    leases: {
      access: "granular",
      permissions: [
        {
          provider,
          access: "granular",
          deployments: [{ dseq: 12, oseq: 2, gseq: 3 }, { dseq: "x" }, null],
        },
        { provider: "akash1short", access: "full" },
      ],
    },
  });
  assert.deepEqual(readToken(`Bearer ${token}`), {
    token,
    owner,
    expires: 1_700_000_000_000,
    everywhere: false,
    providers: [provider],
    leases: [{ provider, dseq: "12", gseq: 3, oseq: 2 }],
    grants: [
      { provider, lease: { dseq: "12", gseq: 3, oseq: 2 }, scopes: [] },
      { provider, lease: { dseq: "x" }, scopes: [] },
    ],
  });
});

test("what a token permits is known before the provider is asked", () => {
  const lease = { provider, dseq: "12", gseq: 1, oseq: 1 };
  const granular = (...permissions: object[]) => ({ access: "granular", permissions });
  const deployments = (...list: object[]) =>
    granular({ provider, access: "granular", deployments: list });
  for (const [leases, shell] of [
    [undefined, true],
    [{ access: "full" }, true],
    [{ access: "scoped", scope: ["logs", "shell"] }, true],
    [{ access: "scoped", scope: ["logs"] }, false],
    [{ access: "scoped" }, false],
    [granular({ provider, access: "full" }), true],
    [granular({ provider: owner, access: "full" }), false],
    [granular({ provider, access: "scoped", scope: ["shell"] }), true],
    [granular({ provider, access: "scoped", scope: ["logs"] }), false],
    [granular(), false],
    [deployments({ dseq: 12, scope: ["shell"] }), true],
    [deployments({ dseq: 12, gseq: 1, oseq: 1, scope: ["shell"] }), true],
    [deployments({ dseq: 12, gseq: 2, scope: ["shell"] }), false],
    [deployments({ dseq: 13, scope: ["shell"] }), false],
    [deployments({ dseq: 13, scope: ["shell"] }, { dseq: 12, scope: ["logs"] }), false],
    [deployments({ dseq: 13, scope: ["logs"] }, { dseq: 12, scope: ["shell"] }), true],
  ] as const) {
    assert.equal(grants(readGrants(leases), "shell", lease), shell, JSON.stringify(leases));
  }
});

test("a text that is no token is told from one", () => {
  for (const [text, problem] of [
    ["", "empty"],
    ["  Bearer ", "empty"],
    ["secret", "shape"],
    ["a.b.c", "shape"],
    [`${make({ iss: owner })}.d`, "shape"],
    [make({ iss: owner }).replace(/[^.]+$/, ""), "shape"],
    [make({}), "owner"],
    [make({ iss: "cosmos1x" }), "owner"],
    [make({ iss: 1, leases: { permissions: "none" } }), "owner"],
  ]) {
    assert.equal(readToken(text ?? ""), problem, text);
  }
  assert.equal(typeof readToken(make({ iss: owner, leases: { permissions: "none" } })), "object");
});

const pem = (label: string, text: string) =>
  `-----BEGIN ${label}-----\n${Buffer.from(text).toString("base64")}\n-----END ${label}-----\n`;

test("a certificate and its key are found in one file or two", () => {
  const certificate = pem("CERTIFICATE", `\u0000\u0003CN${owner}\u0001`);
  for (const label of ["PRIVATE KEY", "EC PRIVATE KEY"]) {
    const key = pem(label, "secret");
    const found = { certPem: certificate, keyPem: key, owner };
    assert.deepEqual(readCertificate(certificate, key), found);
    assert.deepEqual(readCertificate(key, certificate), found);
    assert.deepEqual(readCertificate(`Bag\n${key}${certificate}`), found);
  }
});

test("what is missing of a certificate is named", () => {
  const certificate = pem("CERTIFICATE", owner);
  assert.equal(readCertificate(), "certificate");
  assert.equal(readCertificate(pem("PRIVATE KEY", "x")), "certificate");
  assert.equal(readCertificate(certificate), "key");
  assert.equal(readCertificate(certificate, pem("ENCRYPTED PRIVATE KEY", "x")), "encrypted");
  assert.equal(readCertificate(pem("CERTIFICATE", "CN=x"), pem("PRIVATE KEY", "x")), "owner");
});

/** A wallet that notes what it is given to sign. */
function wallet(): Wallet & { signed: string[] } {
  const signed: string[] = [];
  return {
    signed,
    enable: async () => {},
    getKey: async () => ({ bech32Address: owner, name: "main" }),
    signArbitrary: async (chain, signer, data) => {
      signed.push(`${chain} ${signer} ${data}`);
      return { signature: "+/8=" };
    },
  };
}

test("a token names one provider and the chosen scopes, and is short-lived", async () => {
  const keys = wallet();
  const request = { owner, provider, scopes: ["logs", "status"], life: 900 } as const;
  const token = await signToken(keys, request, 1_700_000_000_500);
  const [head, claims, signature] = token.split(".");
  const decode = (text = "") => JSON.parse(Buffer.from(text, "base64url").toString());
  assert.deepEqual(decode(head), { alg: "ES256KADR36", typ: "JWT" });
  assert.deepEqual(decode(claims), {
    iss: owner,
    iat: 1_699_999_970,
    nbf: 1_699_999_970,
    exp: 1_700_000_900,
    version: "v1",
    leases: {
      access: "granular",
      permissions: [{ provider, access: "scoped", scope: ["logs", "status"] }],
    },
  });
  assert.equal(signature, "-_8");
  assert.deepEqual(keys.signed, [`akashnet-2 ${owner} ${head}.${claims}`]);
});

afterEach(signOut);

test("each provider has its own credentials, and the same ones each time", async () => {
  const found = { id: "keplr", name: "Keplr", changed: "keplr_keystorechange", wallet: wallet() };
  Object.assign(globalThis, { addEventListener() {}, removeEventListener() {} });
  await signInWithWallet(found, { life: 900, groups: ["look"] });
  const session = currentSession();
  assert.equal(session.owner, owner);
  assert.equal(session.name, "Keplr: main");
  assert.equal(session.authFor(provider), session.authFor(provider));
  assert.notEqual(session.authFor(provider), session.authFor(owner));
  signOut();
  assert.equal(currentSession().authFor(provider), undefined);
});

test("wallets are those with the whole interface", () => {
  const keplr = wallet();
  assert.deepEqual(findWallets({}), []);
  assert.deepEqual(findWallets({ keplr: { enable() {} }, leap: null }), []);
  assert.deepEqual(
    findWallets({ keplr, leap: wallet() }).map(({ name }) => name),
    ["Keplr", "Leap"],
  );
});
