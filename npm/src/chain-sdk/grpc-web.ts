// The frames of gRPC-Web
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md).
import type { Bytes } from "../bytes.js";

/** A frame: a message, or the trailers, which end the response. */
export type Frame = { message: Uint8Array } | { trailer: Headers };

const headerLength = 5;
const trailerFlag = 0x80;

/** encodeMessage returns a message's frame. */
export function encodeMessage(message: Uint8Array): Bytes {
  const frame = new Uint8Array(headerLength + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, headerLength);
  return frame;
}

/** Splits a response's body into frames. Throws an Error for what is not gRPC-Web. */
export class FrameReader {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #length = 0;

  /** A message may have up to maxBytes. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** read takes a chunk of the body, and yields the frames that it completes. */
  *read(chunk: Uint8Array): Generator<Frame> {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= headerLength) {
      const head = this.#peek(headerLength);
      const flags = head[0] ?? 0;
      const length = new DataView(head.buffer, head.byteOffset).getUint32(1);
      if ((flags & ~trailerFlag) !== 0) {
        throw new Error(`a frame has the flags 0x${flags.toString(16)}, which were not asked for`);
      }
      if (length > this.#maxBytes) {
        throw new Error(`a message has ${length} bytes, and may have ${this.#maxBytes}`);
      }
      if (this.#length < headerLength + length) return;
      const content = this.#peek(headerLength + length).subarray(headerLength);
      this.#drop(headerLength + length);
      yield flags === trailerFlag
        ? { trailer: parseTrailers(new TextDecoder().decode(content)) }
        : { message: content };
    }
  }

  /** Returns the first bytes in one piece. */
  #peek(length: number): Uint8Array {
    const [first] = this.#chunks;
    if (first && first.length >= length) return first.subarray(0, length);
    const joined = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      joined.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [joined];
    return joined.subarray(0, length);
  }

  /** Removes the first bytes, which are in one piece. */
  #drop(length: number): void {
    const rest = this.#chunks[0]?.subarray(length);
    this.#chunks =
      rest && rest.length > 0 ? [rest, ...this.#chunks.slice(1)] : this.#chunks.slice(1);
    this.#length -= length;
  }
}

/** parseTrailers parses lines of "name: value". */
function parseTrailers(text: string): Headers {
  const trailers = new Headers();
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    trailers.append(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return trailers;
}

/** decodeStatusMessage decodes grpc-message, which is percent-encoded UTF-8. */
export function decodeStatusMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
