// The messages that follow the start of a shell: ShellRequest in
// proto/akash/provider/web/v1/shell.proto, framed as gRPC has it.

import type { Bytes } from "../bytes.js";

/** Fields of ShellRequest. */
const stdinField = 2;
const resizeField = 3;
const usedField = 4;

/** Types of fields, as protobuf encodes them. */
const varint = 0;
const bytes = 2;

/** stdinMessage encodes a piece of standard input. */
export function stdinMessage(piece: Uint8Array): Bytes {
  return framed([(stdinField << 3) | bytes, ...number(piece.length)], piece);
}

/** resizeMessage encodes the size of a terminal. */
export function resizeMessage(columns: number, rows: number): Bytes {
  const size = [(1 << 3) | varint, ...number(columns), (2 << 3) | varint, ...number(rows)];
  return framed([(resizeField << 3) | bytes, size.length, ...size]);
}

/** usedMessage acknowledges the given number of bytes of output. */
export function usedMessage(count: number): Bytes {
  return framed([(usedField << 3) | varint, ...number(count)]);
}

/** number encodes a number as a varint. */
function number(value: number): number[] {
  const encoded: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) encoded.push((rest & 0x7f) | 0x80);
  return [...encoded, rest];
}

const prefixSize = 5;

function framed(head: number[], rest: Uint8Array = new Uint8Array(0)): Bytes {
  const message = new Uint8Array(prefixSize + head.length + rest.length);
  new DataView(message.buffer).setUint32(1, head.length + rest.length);
  message.set(head, prefixSize);
  message.set(rest, prefixSize + head.length);
  return message;
}

/**
 * joinCommand encodes the parts of a command as one string, which wasm/message.AppendShell
 * decodes: each part ends with a byte 1, and bytes 1 and 2 in a part are escaped.
 */
export function joinCommand(command: readonly string[]): string {
  return command
    .map((part) => {
      const marked = part.replaceAll("\u0002", "\u0002\u0003").replaceAll("\u0001", "\u0002\u0002");
      return `${marked}\u0001`;
    })
    .join("");
}
