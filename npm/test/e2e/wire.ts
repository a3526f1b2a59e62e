// The parts of protobuf and gRPC-Web that are needed to check how logs are sent,
// without the product's code.

import type { TestLease } from "../../src/testing/index.js";

const encoder = new TextEncoder();

function varint(n: number): number[] {
  const bytes: number[] = [];
  for (let rest = n; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

const text = (field: number, value: string | number[]): number[] => {
  const bytes = typeof value === "string" ? [...encoder.encode(value)] : value;
  return [field * 8 + 2, ...varint(bytes.length), ...bytes];
};

/** Yields the fields of a message that hold bytes. */
function* fields(message: Uint8Array): Generator<{ field: number; bytes: Uint8Array }> {
  let at = 0;
  const number = () => {
    let n = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at++] ?? 0;
      n += (byte % 128) * shift;
      if (byte < 128) return n;
    }
  };
  while (at < message.length) {
    const tag = number();
    const n = number();
    if (tag % 8 !== 2) continue;
    yield { field: Math.floor(tag / 8), bytes: message.subarray(at, at + n) };
    at += n;
  }
}

/** Pieces of logs, the content of ServiceLogs messages. */
export const pieces = {
  /** The body of a ServiceLogs request for all logs of a lease. */
  request(lease: TestLease): Uint8Array<ArrayBuffer> {
    const id = [
      ...text(1, lease.owner),
      ...[16, ...varint(lease.dseq), 24, ...varint(lease.gseq), 32, ...varint(lease.oseq)],
      ...text(5, lease.provider),
    ];
    const message = text(1, id);
    return Uint8Array.from([0, 0, 0, 0, message.length, ...message]);
  },

  /** The bytes of every piece in the body of a response, in order. */
  read(body: Uint8Array): Uint8Array[] {
    const found: Uint8Array[] = [];
    const view = new DataView(body.buffer, body.byteOffset);
    for (let at = 0; at < body.length; ) {
      const length = view.getUint32(at + 1);
      const frame = body.subarray(at + 5, at + 5 + length);
      if (view.getUint8(at) === 0) {
        for (const { bytes: log } of fields(frame)) {
          for (const { field, bytes } of fields(log)) if (field === 3) found.push(bytes);
        }
      }
      at += 5 + length;
    }
    return found;
  },
};
