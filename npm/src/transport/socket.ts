// Calls over WebSockets, by the grpc-websockets transport of improbable-eng's
// grpc-web, and with the bridge's window: bridge/grpcweb/window.go is the other side.

/** The content type that the transport implies. */
export const grpcWeb = "application/grpc-web+proto";

/** How long a socket may take to open, in milliseconds: some proxies swallow them. */
const patience = 10_000;

/** Marks a frame of headers or trailers, of which the length follows in four bytes. */
const headerFlag = 0x80;
const prefixSize = 5;

/** What the first byte of a message to the bridge says. */
const data = 0;
const finish = 1;

/** The longest headers that are taken, in bytes. */
const maxHead = 64 * 1024;

/**
 * How many bytes of a stream may have been sent and not been read: what a stream holds
 * that is not read. On one machine 1 MiB is a sixth faster and 64 KiB a quarter slower.
 */
const streamWindow = 256 * 1024;

/** How far a bridge may go beyond its window, in bytes: by the longest message. */
const maxBeyond = prefixSize + 4 * 1024 * 1024;

/** Up to how many bytes small pieces are handed on in one. */
const maxJoined = 64 * 1024;

/** What a call is, of what fetch takes. */
export interface Request {
  headers: Record<string, string>;
  body: Uint8Array;
  signal: AbortSignal;
  streams?: boolean;
}

/** openSocket opens a socket, or returns undefined where that cannot be done. */
export async function openSocket(url: string, signal: AbortSignal): Promise<WebSocket | undefined> {
  signal.throwIfAborted();
  let socket: WebSocket;
  try {
    socket = new WebSocket(url.replace("http", "ws"), "grpc-websockets");
  } catch {
    return undefined; // an https page's call to http, for one
  }
  socket.binaryType = "arraybuffer";
  let late: ReturnType<typeof setTimeout> | undefined;
  const opened = await new Promise<boolean>((resolve) => {
    const close = () => {
      resolve(false);
      socket.close();
    };
    signal.addEventListener("abort", close, { once: true });
    late = setTimeout(close, patience);
    socket.onopen = () => resolve(true);
    socket.onclose = () => resolve(false);
    // Where a Content-Security-Policy forbids it there is no other event in Chromium.
    socket.onerror = () => resolve(false);
  });
  clearTimeout(late);
  socket.onerror = null;
  signal.throwIfAborted();
  return opened ? socket : undefined;
}

/**
 * exchange sends a request and returns once the answer's headers have come. It calls
 * onEnd when the call is over, and onOverrun where the bridge does not keep to the
 * window.
 */
export function exchange(
  socket: WebSocket,
  request: Request,
  onEnd: () => void,
  onOverrun: () => void,
): Promise<Response> {
  const { headers, body, signal, streams } = request;
  const window = streams ? streamWindow : 0;
  return new Promise((resolve, reject) => {
    const answer = new Answer(socket, window);
    let head: Uint8Array<ArrayBuffer> | undefined = new Uint8Array(0);
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      const piece = new Uint8Array(data);
      if (!head) {
        if (!answer.take(piece)) onOverrun();
        return;
      }
      head = joined([head, piece]);
      const size = frameSize(head);
      if (head[0] !== headerFlag || size > maxHead) {
        reject(new TypeError("the bridge's answer does not begin with headers"));
        socket.close();
        return;
      }
      if (head.length < size) return;
      const text = new TextDecoder().decode(head.subarray(prefixSize, size));
      if (head.length > size) answer.take(head.subarray(size));
      head = undefined;
      resolve(new Response(answer.body, { headers: readHeaders(text) }));
    };
    socket.onclose = () => {
      onEnd();
      reject(new TypeError("the WebSocket was closed"));
      answer.end();
    };
    // A socket takes its time to close, above all where nobody is at its other end.
    signal.addEventListener("abort", () => {
      reject(signal.reason);
      answer.end(signal.reason);
    });
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    if (window > 0) lines.push(`akash-window: ${window}\r\n`);
    socket.send(new TextEncoder().encode(lines.join("")));
    socket.send(joined([Uint8Array.of(data), body]));
    // Otherwise there follows how much has been read.
    if (window === 0) socket.send(Uint8Array.of(finish));
  });
}

/** The body of an answer, and what of it waits to be read. */
class Answer {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #socket: WebSocket;
  /** 0 for none. */
  readonly #window: number;
  #out!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  /** What has come, in order, and how many bytes that is. */
  #pieces: Uint8Array<ArrayBuffer>[] = [];
  #waiting = 0;
  /** How many bytes were read of which the bridge does not know. */
  #used = 0;
  /** Hands on what comes, where a read waits for it. */
  #wanted: (() => void) | undefined;
  /** Whether nothing more comes. */
  #ended = false;

  constructor(socket: WebSocket, window: number) {
    this.#socket = socket;
    this.#window = window;
    this.body = new ReadableStream(
      {
        start: (out) => {
          this.#out = out;
        },
        pull: () => this.#pull(),
        cancel: () => {
          this.#drop();
          socket.close();
        },
      },
      { highWaterMark: 0 }, // which is to say: pull when there is a read
    );
  }

  /** take takes a piece of the body. It returns false where that is too much. */
  take(piece: Uint8Array<ArrayBuffer>): boolean {
    if (this.#ended) return true;
    this.#pieces.push(piece);
    this.#waiting += piece.length;
    if (this.#window > 0 && this.#waiting > this.#window + maxBeyond) {
      this.end(new TypeError("the bridge sends faster than the page reads, which it must not"));
      this.#socket.close();
      return false;
    }
    this.#wanted?.();
    return true;
  }

  /** end ends the body: after what has come, or with the error at once. */
  end(error?: unknown): void {
    if (this.#ended) return;
    if (error !== undefined) {
      this.#drop();
      this.#out.error(error);
    } else {
      this.#ended = true;
      if (this.#waiting === 0) this.#out.close();
    }
    this.#wanted?.();
  }

  #drop(): void {
    this.#ended = true;
    this.#pieces = [];
    this.#waiting = 0;
  }

  async #pull(): Promise<void> {
    if (this.#waiting === 0) {
      await new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
      this.#wanted = undefined;
      if (this.#waiting === 0) return; // it has ended
    }
    const piece = this.#next();
    this.#waiting -= piece.length;
    this.#out.enqueue(piece);
    if (this.#ended && this.#waiting === 0) this.#out.close();
    this.#credit(piece.length);
  }

  /** next returns what has come, small pieces in one: each costs a crossing into Go. */
  #next(): Uint8Array<ArrayBuffer> {
    let n = 0;
    for (let size = 0; n < this.#pieces.length; n++) {
      size += this.#pieces[n]?.length ?? 0;
      if (n > 0 && size > maxJoined) break;
    }
    const pieces = this.#pieces.splice(0, n);
    return n === 1 ? (pieces[0] as Uint8Array<ArrayBuffer>) : joined(pieces);
  }

  /** credit tells the bridge what was read, when it is worth a message. */
  #credit(bytes: number): void {
    if (this.#window === 0 || this.#ended) return;
    this.#used += bytes;
    if (this.#used < this.#window / 2) return;
    const message = new DataView(new ArrayBuffer(1 + prefixSize + 4));
    message.setUint32(2, 4); // the length of what follows
    message.setUint32(6, this.#used);
    this.#used = 0;
    this.#socket.send(message);
  }
}

/** frameSize returns how long the frame is that begins with the bytes. */
function frameSize(bytes: Uint8Array<ArrayBuffer>): number {
  if (bytes.length < prefixSize) return prefixSize;
  return prefixSize + new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
}

/** readHeaders reads the headers of an answer. */
function readHeaders(text: string): Headers {
  const headers = new Headers();
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  headers.set("content-type", grpcWeb);
  return headers;
}

function joined(pieces: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((size, { length }) => size + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
