import { expect, test } from "vitest";
import { toBase64 } from "../../src/attestation.js";
import { readLeases } from "../../src/leases.js";

/** A field of bytes of a message: up to 127 of them. */
const bytes = (field: number, value: number[] | string) => {
  const raw = typeof value === "string" ? [...new TextEncoder().encode(value)] : value;
  return [(field << 3) | 2, raw.length, ...raw];
};

const list = (...leases: number[][]) => ({
  leases: leases.map((lease) => toBase64(Uint8Array.from(lease)).replace(/=+$/, "")),
  more: 0,
  completeness: "quorum=2/3" as const,
  height: 7,
});

/** The largest dseq, 2^64 - 1, as a varint. */
const largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];

test("a lease is read exactly, with fields that are not known", () => {
  const id = [...bytes(1, "akash1a"), 0x10, ...largest, 0x18, 1, 0x20, 2, ...bytes(5, "akash1p")];
  const lease = [
    ...bytes(1, id),
    0x10,
    4,
    ...bytes(3, "0.75"),
    ...bytes(4, "uakt"),
    0x28,
    9,
    0x78,
    1,
  ];
  expect(readLeases(list(lease))).toEqual({
    leases: [
      {
        lease: {
          owner: "akash1a",
          dseq: 2n ** 64n - 1n,
          gseq: 1,
          oseq: 2,
          bseq: 0,
          provider: "akash1p",
        },
        state: "reclaiming",
        price: "0.75",
        denom: "uakt",
        createdAt: 9,
        closedOn: 0,
      },
    ],
    more: false,
    completeness: "quorum=2/3",
    height: 7,
  });
});

test.each([
  ["a truncated message", [0x0a, 5, 1]],
  ["a number without an end", [0x10, ...largest.slice(0, 9)]],
  ["a number of more than 64 bits", [0x10, ...new Array(11).fill(0x80), 1]],
  ["no state", bytes(1, [])],
  ["an unknown state", [0x10, 9]],
  ["a group", [0x0b]],
  ["a field 0", [0x00, 0x00]],
  ["an id that is no message", [...bytes(1, [0x0a, 9]), 0x10, 1]],
])("%s is refused", (_, lease) => {
  expect(() => readLeases(list(lease))).toThrow("the bridge's list of leases cannot be read");
});
