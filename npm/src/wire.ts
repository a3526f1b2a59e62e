// Reads encoded protobuf messages that the module passes on as they are.

/** The fields of a message by their numbers. */
export interface Fields {
  numbers: Map<number, bigint>;
  bytes: Map<number, Uint8Array>;
}

/**
 * readFields returns the last value of each field of an encoded message that is a number
 * or bytes, or undefined for a malformed message.
 */
export function readFields(message: Uint8Array): Fields | undefined {
  const numbers = new Map<number, bigint>();
  const bytes = new Map<number, Uint8Array>();
  let at = 0;
  const varint = (): bigint | undefined => {
    let value = 0n;
    for (let shift = 0n; shift < 64n; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) return undefined;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    return undefined;
  };
  while (at < message.length) {
    const tag = varint();
    if (tag === undefined || tag < 8n || tag >= 1n << 32n) return undefined;
    const field = Number(tag >> 3n);
    const wire = Number(tag & 7n);
    const value = wire === 0 || wire === 2 ? varint() : { 1: 8n, 5: 4n }[wire];
    if (value === undefined) return undefined;
    if (wire === 0) {
      numbers.set(field, value);
      continue;
    }
    if (value > message.length - at) return undefined;
    const end = at + Number(value);
    if (wire === 2) bytes.set(field, message.slice(at, end));
    at = end;
  }
  return { numbers, bytes };
}
