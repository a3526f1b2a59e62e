import { expect, test } from "vitest";
import type { Batch, Texts } from "../../src/engine/engine.js";
import { type Parcel, pack, Rooms, unpack } from "../../src/worker/worker-protocol.js";

const encoder = new TextEncoder();

function texts(text: string): Texts {
  const bytes = encoder.encode(text);
  return { bytes, groups: Uint32Array.of(bytes.length, 1) };
}

function batch(ascii: string, utf8: string): Batch {
  return {
    ascii: texts(ascii),
    utf8: texts(utf8),
    index: Uint32Array.of(0, 1, 2),
    services: ["web"],
  };
}

/** The content of a parcel, as the page reads it. */
function arrived(parcel: Parcel): Batch {
  return unpack(structuredClone(parcel, { transfer: [parcel.data] }), ["web"]);
}

test("parcels reuse earlier buffers, without their old content", () => {
  const rooms = new Rooms();
  const room = new ArrayBuffer(4096);
  rooms.give(room);
  new Uint8Array(room).fill(0xff);
  for (const [ascii, utf8] of [
    ["plain", "größer"],
    ["", "日志"],
    ["less", ""],
  ] as const) {
    const parcel = pack(batch(ascii, utf8), 1, rooms);
    expect(parcel.data).toBe(room);
    const { ascii: plain, utf8: others, index } = unpack(parcel, ["web"]);
    expect(index).toEqual(Uint32Array.of(0, 1, 2));
    expect(plain).toEqual(texts(ascii));
    expect(others).toEqual(texts(utf8));
    rooms.give(parcel.data);
  }
});

test("a larger parcel gets a larger buffer, and an idle stream keeps no large one", () => {
  const rooms = new Rooms();
  const size = (length: number) => {
    const { ascii, ...rest } = arrived(pack(batch("x".repeat(length), ""), 1, rooms));
    expect({ ...rest, ascii }).toEqual(batch("x".repeat(length), ""));
    const { buffer } = ascii.bytes as Uint8Array<ArrayBuffer>;
    rooms.give(buffer);
    return buffer.byteLength;
  };
  expect([10, 5000, 100_000, 60_000, 100, 10].map(size)).toEqual([
    4096, 8192, 131_072, 131_072, 4096, 4096,
  ]);
});
