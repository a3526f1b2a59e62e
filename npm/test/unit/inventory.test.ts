import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { toBase64 } from "../../src/attestation.js";
import { type RawSnapshot, readSnapshot } from "../../src/inventory.js";

const provider = "akash1provider";
const nonce = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);

/** A field of bytes of a message: up to 127 of them. */
const bytes = (field: number, value: Uint8Array | string) => {
  const raw = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return [(field << 3) | 2, raw.length, ...raw];
};

function payload(more: number[] = [], from = provider): Uint8Array {
  const fields = [...bytes(2, from), ...bytes(3, "akashnet-2"), ...bytes(4, nonce)];
  return Uint8Array.from([0x08, 0x01, ...fields, ...more]);
}

const raw = (payload: Uint8Array, more: Partial<RawSnapshot> = {}): RawSnapshot => ({
  snapshotPayload: toBase64(payload),
  signature: toBase64(Uint8Array.of(1, 2)),
  provider,
  snapshotHash: "",
  ...more,
});

const sha256 = (data: Uint8Array) => new Uint8Array(createHash("sha256").update(data).digest());

test("a snapshot is read, with fields that are not known", async () => {
  const data = payload([0x32, 0x81, 0x01, ...new Uint8Array(129), 0x69, 1, 2, 3, 4, 5, 6, 7, 8]);
  const snapshot = await readSnapshot(raw(data), provider, nonce, undefined);
  expect(snapshot).toEqual({
    payload: data,
    signature: Uint8Array.of(1, 2),
    hash: sha256(data),
    provider,
    schemaVersion: 1,
    chainId: "akashnet-2",
    nonce,
  });
});

describe("a snapshot is refused", () => {
  const data = payload();
  const other = new Uint8Array(32);
  test.each([
    ["for another nonce", raw(data), other, undefined, "nonceMismatch"],
    ["of another provider", raw(payload([], "akash1other")), nonce, undefined, "providerProtocol"],
    [
      "that another tells",
      raw(data, { provider: "akash1other" }),
      nonce,
      undefined,
      "providerProtocol",
    ],
    [
      "with another hash",
      raw(data, { snapshotHash: toBase64(other) }),
      undefined,
      undefined,
      "providerProtocol",
    ],
    ["that was not asked for", raw(data), undefined, other, "providerProtocol"],
    ["cut short", raw(data.subarray(0, 40)), nonce, undefined, "providerProtocol"],
    [
      "with a number that does not end",
      raw(Uint8Array.of(0x08, 0xff)),
      nonce,
      undefined,
      "providerProtocol",
    ],
    ["with a group", raw(Uint8Array.of(0x0b, 0x0c)), nonce, undefined, "providerProtocol"],
  ] as const)("%s", async (_, snapshot, nonce, wanted, reason) => {
    await expect(readSnapshot(snapshot, provider, nonce, wanted)).rejects.toMatchObject({
      name: "ProviderError",
      reason,
      provider,
    });
  });
});
