// Reads signed inventory snapshots (AEP-86).
import { fromBase64, mismatched, unreadable } from "./attestation.js";
import type { InventorySnapshot } from "./types.js";
import { readFields } from "./wire.js";

/** The size of a nonce and of a snapshot's hash, in bytes. */
export const snapshotSize = 32;

/** A snapshot as the module returns it; binary fields are in base64. */
export interface RawSnapshot {
  snapshotPayload: string;
  signature: string;
  provider: string;
  snapshotHash: string;
  postedAt?: string;
}

/** readSnapshot decodes and checks a snapshot, or throws a ProviderError. */
export async function readSnapshot(
  raw: RawSnapshot,
  provider: string,
  nonce: Uint8Array | undefined,
  wanted: Uint8Array | undefined,
): Promise<InventorySnapshot> {
  const payload = fromBase64(raw.snapshotPayload);
  const fields = readFields(payload);
  if (!fields) throw unreadable(provider, "its inventory snapshot cannot be read");
  const text = (field: number) => new TextDecoder().decode(fields.bytes.get(field));
  if (raw.provider !== provider || text(2) !== provider) {
    throw unreadable(provider, "its inventory snapshot is another provider's");
  }
  const given = fields.bytes.get(4) ?? new Uint8Array();
  if (nonce && !same(given, nonce)) {
    throw mismatched(
      provider,
      "its inventory snapshot is not for the nonce that was sent: it may be an old one",
    );
  }
  const told = raw.snapshotHash ? fromBase64(raw.snapshotHash) : undefined;
  const computed = globalThis.crypto?.subtle
    ? new Uint8Array(await crypto.subtle.digest("SHA-256", payload as Uint8Array<ArrayBuffer>))
    : undefined;
  if (told && computed && !same(told, computed)) {
    throw unreadable(provider, "its inventory snapshot does not have the hash that it tells");
  }
  const hash = computed ?? told;
  if (wanted && hash && !same(hash, wanted)) {
    throw unreadable(provider, "its inventory snapshot is not the one that was asked for");
  }
  return {
    payload,
    signature: fromBase64(raw.signature),
    ...(hash && { hash }),
    provider,
    schemaVersion: Number(fields.numbers.get(1) ?? 0),
    chainId: text(3),
    nonce: given,
    ...(raw.postedAt !== undefined && { postedAt: raw.postedAt }),
  };
}

const same = (a: Uint8Array, b: Uint8Array) =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);
