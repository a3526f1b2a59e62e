// Calls over WebSockets, with the grpc-websockets transport of improbable-eng's
// grpc-web and the bridge's window: bridge/grpcweb/improbable/window.go is the other
// side.

import type { Send } from "./byte-reader.js";

/** The content type that the transport implies. */
export const grpcWeb = "application/grpc-web+proto";

/** How long a socket may take to open, in milliseconds: some proxies drop the request. */
const openTimeout = 10_000;

/** Marks a frame of headers or trailers. Its length follows in four bytes. */
const headerFlag = 0x80;
const prefixSize = 5;

/** The meaning of the first byte of a message to the bridge. */
const data = 0;
const finish = 1;

/** The size limit of headers, in bytes. */
const maxHead = 64 * 1024;

/**
 * The window: how many bytes of a stream may be sent but not read. On one machine 1
 * MiB was a sixth faster, and 64 KiB a quarter slower.
 */
const streamWindow = 256 * 1024;

/** How far a bridge may exceed its window, in bytes: by the longest message. */
const maxBeyond = prefixSize + 4 * 1024 * 1024;

/** The size up to which small pieces are combined. */
const maxJoined = 64 * 1024;

/** The parts of fetch's arguments that a call uses. */
export interface Request {
  headers: Record<string, string>;
  body: Uint8Array;
  signal: AbortSignal;
  streams?: boolean;
  /** Whether further messages follow the body. */
  duplex?: boolean;
}

/** How to send what follows a request, by the body of its answer. */
const senders = new WeakMap<ReadableStream, Send>();

/** senderOf returns how to send what follows the request, undefined where nothing can. */
export function senderOf(body: ReadableStream | null): Send | undefined {
  return body ? senders.get(body) : undefined;
}

/** openSocket opens a socket, or returns undefined if that is not possible. */
export async function openSocket(url: string, signal: AbortSignal): Promise<WebSocket | undefined> {
  signal.throwIfAborted();
  let socket: WebSocket;
  try {
    socket = new WebSocket(url.replace("http", "ws"), "grpc-websockets");
  } catch {
    return undefined; // for example because an https page calls http
  }
  socket.binaryType = "arraybuffer";
  let late: ReturnType<typeof setTimeout> | undefined;
  const opened = await new Promise<boolean>((resolve) => {
    const close = () => {
      resolve(false);
      socket.close();
    };
    signal.addEventListener("abort", close, { once: true });
    late = setTimeout(close, openTimeout);
    socket.onopen = () => resolve(true);
    socket.onclose = () => resolve(false);
    // If a Content-Security-Policy forbids it, Chromium dispatches no other event.
    socket.onerror = () => resolve(false);
  });
  clearTimeout(late);
  socket.onerror = null;
  signal.throwIfAborted();
  return opened ? socket : undefined;
}

/**
 * exchange sends a request and returns once the answer's headers have arrived. It
 * calls onEnd when the call has ended, and onOverrun if the bridge exceeds the window.
 */
export function exchange(
  socket: WebSocket,
  request: Request,
  onEnd: () => void,
  onOverrun: () => void,
): Promise<Response> {
  const { headers, body, signal, streams, duplex } = request;
  // What is sent both ways says in its messages how much there may be.
  const window = streams && !duplex ? streamWindow : 0;
  return new Promise((resolve, reject) => {
    const answer = new Answer(socket, window);
    if (duplex) {
      senders.set(answer.body, (message) => {
        if (socket.readyState === socket.OPEN) socket.send(joined([Uint8Array.of(data), message]));
      });
    }
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
    // Closing a socket takes time, above all if the other end does not respond.
    signal.addEventListener("abort", () => {
      reject(signal.reason);
      answer.end(signal.reason);
    });
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    if (window > 0) lines.push(`akash-window: ${window}\r\n`);
    socket.send(new TextEncoder().encode(lines.join("")));
    socket.send(joined([Uint8Array.of(data), body]));
    // Otherwise the number of bytes read follows.
    if (window === 0 && !duplex) socket.send(Uint8Array.of(finish));
  });
}

/** The body of an answer, and its unread data. */
class Answer {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #socket: WebSocket;
  /** 0 means none. */
  readonly #window: number;
  #out!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  /** The received data in order, and its size. */
  #pieces: Uint8Array<ArrayBuffer>[] = [];
  #waiting = 0;
  /** Bytes read that have not been credited to the bridge. */
  #used = 0;
  /** Resolves the pending read, if there is one. */
  #wanted: (() => void) | undefined;
  /** Whether the body has ended. */
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
      { highWaterMark: 0 }, // so that pull is called only when there is a read
    );
  }

  /** take adds a piece of the body. It returns false if the window is exceeded. */
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

  /** end ends the body: after the data received so far, or with the error at once. */
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
      if (this.#waiting === 0) return; // the body has ended
    }
    const piece = this.#next();
    this.#waiting -= piece.length;
    this.#out.enqueue(piece);
    if (this.#ended && this.#waiting === 0) this.#out.close();
    this.#credit(piece.length);
  }

  /**
   * next returns the received data, with small pieces combined: each piece is a call into
   * Go.
   */
  #next(): Uint8Array<ArrayBuffer> {
    let n = 0;
    for (let size = 0; n < this.#pieces.length; n++) {
      size += this.#pieces[n]?.length ?? 0;
      if (n > 0 && size > maxJoined) break;
    }
    const pieces = this.#pieces.splice(0, n);
    return n === 1 ? (pieces[0] as Uint8Array<ArrayBuffer>) : joined(pieces);
  }

  /** credit tells the bridge how much was read, when there is enough to report. */
  #credit(bytes: number): void {
    if (this.#window === 0 || this.#ended) return;
    this.#used += bytes;
    if (this.#used < this.#window / 2) return;
    const message = new DataView(new ArrayBuffer(1 + prefixSize + 4));
    message.setUint32(2, 4); // the length of the message
    message.setUint32(6, this.#used);
    this.#used = 0;
    this.#socket.send(message);
  }
}

/** frameSize returns the size of the frame that begins with the given bytes. */
function frameSize(bytes: Uint8Array<ArrayBuffer>): number {
  if (bytes.length < prefixSize) return prefixSize;
  return prefixSize + new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
}

/** readHeaders parses the headers of an answer. */
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
