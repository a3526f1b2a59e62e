/** What a body is read from. */
export interface BodyReader
  extends Pick<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>, "read" | "cancel"> {
  /** Takes back a piece that was read and is not needed any more. */
  recycle?(piece: Uint8Array<ArrayBuffer>): void;
  /** Sends a message after the request, where the transport can. */
  send?: Send | undefined;
  /** Finds out whether a proxy holds the body back, where one can. */
  isHeld?: () => Promise<boolean>;
}

/** Sends what follows a request while it is answered. */
export type Send = (message: Uint8Array<ArrayBuffer>) => void;

type Bytes = Uint8Array<ArrayBuffer>;

/** Room for what is read at a time, in bytes: for a stream that is quiet, and at most. */
const smallest = 4 * 1024;
const largest = 64 * 1024;

/**
 * bodyReader returns what reads a body. Where the platform can it reads into the same
 * memory again and again (Streams, "BYOB"), which at high rates is a third of what
 * reading costs: otherwise each piece comes in memory that is new to the process.
 */
export function bodyReader(body: ReadableStream<Bytes>): BodyReader {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = body.getReader({ mode: "byob" });
  } catch {
    return body.getReader() as BodyReader; // it is no stream of bytes, or the platform is older
  }
  return new ByteReader(reader);
}

class ByteReader implements BodyReader {
  isHeld?: () => Promise<boolean>;
  readonly #reader: ReadableStreamBYOBReader;
  #size = smallest;
  /** What the last piece came in, once that has been used. */
  #free: ArrayBuffer | undefined;

  constructor(reader: ReadableStreamBYOBReader) {
    this.#reader = reader;
  }

  async read(): Promise<ReadableStreamReadResult<Bytes>> {
    const room = this.#free ?? new ArrayBuffer(this.#size);
    this.#free = undefined;
    const { done, value } = await this.#reader.read(new Uint8Array(room));
    if (done || !value) return { done: true, value: undefined };
    if (value.length === this.#size) this.#size = Math.min(4 * this.#size, largest);
    else if (value.length < smallest) this.#size = smallest;
    return { done, value };
  }

  recycle({ buffer }: Bytes): void {
    if (buffer.byteLength === this.#size) this.#free = buffer;
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}
