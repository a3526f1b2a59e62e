import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type RawQuote, readQuote, toBase64 } from "../../src/attestation.js";

const provider = "akash1provider";
const nonce = Uint8Array.from({ length: 64 }, (_, i) => i + 1);
const other = Uint8Array.from({ length: 64 }, () => 7);

/** A report of the given size, with numbers and the report data at their offsets. */
function report(
  length: number,
  at: number,
  data: Uint8Array,
  head: [at: number, value: number][] = [],
): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  for (const [where, value] of head) view.setUint16(where, value, true);
  bytes.set(data, at);
  return bytes;
}

const quote = (bytes: Uint8Array, teePlatform: string, more: Partial<RawQuote> = {}): RawQuote => ({
  report: toBase64(bytes),
  certChain: "",
  teePlatform,
  auxblob: "",
  gpuReports: [],
  tlsBound: 0,
  ...more,
});

/** The layout of each kind of report, with the given report data. */
const forms: [string, string, (data: Uint8Array) => Uint8Array][] = [
  ["an SEV-SNP report", "snp", (data) => report(1184, 0x50, data, [[0, 2]])],
  ["an SEV-SNP report beside GPUs", "snp-gpu", (data) => report(1184, 0x50, data, [[0, 3]])],
  [
    "a TDX quote of version 4",
    "tdx",
    (data) =>
      report(5000, 568, data, [
        [0, 4],
        [4, 0x81],
      ]),
  ],
  [
    "a TDX quote of version 5",
    "tdx-gpu",
    (data) =>
      report(5000, 574, data, [
        [0, 5],
        [4, 0x81],
        [48, 3],
      ]),
  ],
  ["a TDREPORT", "tdx", (data) => report(1024, 128, data, [[0, 0x81]])],
  [
    "a mock",
    "tdx",
    (data) =>
      report(1024, 80, data, [
        [0, 0x4f4d],
        [2, 0x4b43],
      ]),
  ],
];

describe.each(forms)("%s", (name, platform, make) => {
  test("for the nonce is accepted", async () => {
    const result = await readQuote(quote(make(nonce), platform), {
      provider,
      nonce,
      bindTls: false,
    });
    expect(result).toMatchObject({ teePlatform: platform, nonceVerified: true, tlsBound: false });
    expect(result.reportData).toEqual(nonce);
    expect(result.mock).toBe(name === "a mock");
  });

  test("for another nonce is refused", async () => {
    const request = { provider, nonce, bindTls: false };
    await expect(readQuote(quote(make(other), platform), request)).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "nonceMismatch",
      provider,
    });
  });

  test("cut short is refused", async () => {
    const request = { provider, nonce, bindTls: false };
    const short = make(nonce).subarray(0, 100);
    await expect(readQuote(quote(short, platform), request)).rejects.toMatchObject({
      code: "INTERNAL",
      reason: "providerProtocol",
    });
  });
});

test("a report of an unknown platform cannot be checked", async () => {
  const request = { provider, nonce, bindTls: false };
  const [, , make] = forms[0] as (typeof forms)[0];
  await expect(readQuote(quote(make(nonce), "cca"), request)).rejects.toThrow(
    "form that is not known",
  );
});

describe("bound to TLS", () => {
  const tlsPublicKey = new TextEncoder().encode("a public key in DER");
  const hash = new Uint8Array(createHash("sha512").update(tlsPublicKey).update(nonce).digest());
  const [, , make] = forms[0] as (typeof forms)[0];

  test("it is checked with the key", async () => {
    const request = { provider, nonce, bindTls: true, tlsPublicKey };
    const good = quote(make(hash), "snp", { tlsBound: 1 });
    expect(await readQuote(good, request)).toMatchObject({ nonceVerified: true, tlsBound: true });
    const wrong = { ...request, tlsPublicKey: Uint8Array.of(1) };
    await expect(readQuote(good, wrong)).rejects.toMatchObject({ reason: "nonceMismatch" });
  });

  test("without the key it is not checked, which the result says", async () => {
    const good = quote(make(hash), "snp", { tlsBound: 1 });
    const result = await readQuote(good, { provider, nonce, bindTls: true });
    expect(result.nonceVerified).toBe(false);
    expect(result.reportData).toEqual(hash);
  });

  test("a report with an unrequested binding is refused, and so is one without a requested binding", async () => {
    const bound = quote(make(hash), "snp", { tlsBound: 1 });
    const bare = quote(make(nonce), "snp");
    for (const [raw, bindTls] of [
      [bound, false],
      [bare, true],
    ] as const) {
      await expect(readQuote(raw, { provider, nonce, bindTls })).rejects.toMatchObject({
        reason: "nonceMismatch",
      });
    }
  });
});
