// Calls over WebSockets, by the grpc-websockets transport of improbable-eng's
// grpc-web. Over HTTP/1.1 a browser makes six requests to a host at a time and lets
// the others wait, while their time runs out; WebSockets it does not count.

/** How many sockets connect at a time: browsers slow down pages that open many at once. */
const maxConnecting = 4;

/** Marks a frame of headers or trailers, of which the length follows in four bytes. */
const headerFlag = 0x80;
const prefixSize = 5;

/** Where WebSockets do not get through, by origin. */
const barred = new Set<string>();

let connecting = 0;
const waiting: (() => void)[] = [];

/** The most calls over WebSockets that a client makes at a time; Chromium has 255 sockets. */
export const maxSockets = 200;

/**
 * socketUrl returns the URL by which calls of a bridge go over WebSockets, or the
 * bridge's own where requests do as well: to an https URL over HTTP/2, and outside
 * of browsers.
 */
export function socketUrl(bridge: string): string {
  const { WebSocket, location } = globalThis;
  const plain = bridge.startsWith("http:") && WebSocket !== undefined && location !== undefined;
  return plain && !barred.has(new URL(bridge).origin) ? bridge.replace("http:", "ws:") : bridge;
}

/** transport is fetch, which takes URLs of WebSockets, too. */
export async function transport(url: string, init: RequestInit): Promise<Response> {
  if (!url.startsWith("ws:")) return fetch(url, init);
  const socket = await connect(url, init.signal as AbortSignal);
  if (socket) return exchange(socket, init);
  const plain = url.replace("ws:", "http:");
  const response = await fetch(plain, init);
  barred.add(new URL(plain).origin); // which is not down
  return response;
}

/** connect opens a socket, or returns undefined where that cannot be done. */
async function connect(url: string, signal: AbortSignal): Promise<WebSocket | undefined> {
  while (connecting >= maxConnecting) await new Promise<void>((resolve) => waiting.push(resolve));
  connecting++;
  try {
    signal.throwIfAborted();
    const socket = new WebSocket(url, "grpc-websockets");
    socket.binaryType = "arraybuffer";
    const opened = await new Promise<boolean>((resolve) => {
      socket.onopen = () => resolve(true);
      socket.onclose = () => resolve(false);
      signal.addEventListener("abort", () => socket.close(), { once: true });
    });
    signal.throwIfAborted();
    return opened ? socket : undefined;
  } catch (error) {
    if (signal.aborted) throw error;
    return undefined; // a Content-Security-Policy, for one
  } finally {
    connecting--;
    waiting.shift()?.();
  }
}

/** exchange sends a request and returns once the answer's headers have come. */
function exchange(socket: WebSocket, { headers, body, signal }: RequestInit): Promise<Response> {
  return new Promise((resolve, reject) => {
    let head: Uint8Array<ArrayBuffer> | undefined = new Uint8Array(0);
    let source: ReadableStreamDefaultController<Uint8Array>;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        source = controller;
      },
      cancel: () => socket.close(),
    });
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      const piece = new Uint8Array(data);
      if (!head) {
        source.enqueue(piece);
        return;
      }
      head = joined(head, piece);
      const size = frameSize(head);
      if (head.length < size) return;
      if (head[0] !== headerFlag) {
        reject(new TypeError("the bridge's answer does not begin with headers"));
        socket.close();
        return;
      }
      if (head.length > size) source.enqueue(head.subarray(size));
      const text = new TextDecoder().decode(head.subarray(prefixSize, size));
      head = undefined;
      resolve(new Response(stream, { headers: readHeaders(text) }));
    };
    socket.onclose = () => {
      const error = signal?.aborted ? signal.reason : new TypeError("the WebSocket was closed");
      reject(error); // of no effect where there was an answer
      try {
        if (signal?.aborted) source.error(error);
        else source.close();
      } catch {
        // The reader has cancelled it.
      }
    };
    const lines = Object.entries(headers as Record<string, string>).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    socket.send(new TextEncoder().encode(lines.join("")));
    socket.send(joined(new Uint8Array(1), body as Uint8Array));
    socket.send(new Uint8Array([1])); // that was all
  });
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
  headers.set("content-type", "application/grpc-web+proto"); // which the transport implies
  return headers;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
