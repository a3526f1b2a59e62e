import { type BodyReader, bodyReader } from "./byte-reader.js";
import { isBuffered } from "./probe.js";
import { noRedirect } from "./redirect.js";
import { senderOf } from "./socket.js";
import type { Init, RequestTransport } from "./transport.js";

/** A request of the module: what is sent, and how its response is read. */
export interface ModuleRequest {
  url: string;
  /** As lines. */
  headers: string;
  body: Uint8Array<ArrayBuffer>;
  transport: RequestTransport | "";
  streams: boolean;
  longLived: boolean;
  /** If not 0, the body is read as a whole, up to about that many bytes. */
  limit: number;
}

/**
 * The outcome of a request: the status, headers and error as lines; and the body or its
 * reader.
 */
export type Reply = [text: string, body: Uint8Array | BodyReader | null];

/** A request that was sent. */
export interface SentRequest {
  /** Never rejected: errors are in the reply. */
  reply: Promise<Reply>;
  abort(): void;
}

type Send = (url: string, init: Init) => Promise<Response>;

/**
 * makeRequest returns the function with which the module sends requests, in as few calls
 * between the two as possible; wasm/browser/fetch.go is the other side. early returns a
 * request that was sent before the module could, if it is the same.
 */
export function makeRequest(
  send: Send,
  early: (request: ModuleRequest) => SentRequest | undefined = () => undefined,
) {
  return (
    url: string,
    headers: string,
    body: Uint8Array<ArrayBuffer>,
    transport: RequestTransport | "",
    streams: boolean,
    longLived: boolean,
    limit: number,
    id: number,
    onResponse: (id: number, ...reply: Reply) => void,
  ): { abort(): void } => {
    const request = { url, headers, body, transport, streams, longLived, limit };
    const sent = early(request) ?? sendRequest(send, request);
    void sent.reply.then((reply) => onResponse(id, ...reply));
    return sent;
  };
}

/** sendRequest sends a request. */
export function sendRequest(send: Send, request: ModuleRequest): SentRequest {
  const controller = new AbortController();
  const init: Init = {
    method: "POST",
    headers: {},
    body: request.body,
    signal: controller.signal,
    redirect: noRedirect,
  };
  for (const line of request.headers.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) init.headers[line.slice(0, colon)] = line.slice(colon + 1);
  }
  // These are not options of fetch, but of the function that replaces it.
  if (request.transport) {
    init.transport = request.transport;
    init.streams = request.streams;
    init.longLived = request.longLived;
  }
  const reading: Reading = {};
  return {
    reply: respond(send, request.url, init, request.limit, reading),
    abort: () => {
      controller.abort();
      // The signal alone is not enough: in Node before version 24 a request with
      // redirect "error" forgets its signal when garbage is collected while the body
      // is read (https://github.com/nodejs/undici/issues/4627).
      reading.body?.cancel().catch(() => {});
    },
  };
}

/** The body of a response that is being read. */
interface Reading {
  body?: BodyReader | undefined;
}

async function respond(
  send: Send,
  url: string,
  init: Init,
  limit: number,
  reading: Reading,
): Promise<Reply> {
  let text = "";
  let body: Uint8Array | BodyReader | null = null;
  try {
    // Browsers record the stack of each request, which takes time with the module's many
    // frames.
    await undefined;
    const response = await send(url, init);
    text = `${response.status}\n`;
    for (const [name, value] of response.headers) text += `${name}:${value}\n`;
    if (init.signal.aborted) {
      await response.body?.cancel();
      init.signal.throwIfAborted();
    }
    if (limit === 0) {
      body = response.body && bodyReader(response.body);
      const send = senderOf(response.body);
      if (body && send) body.send = send;
      reading.body = body ?? undefined;
      if (body && init.probed) body.isBuffered = () => isBuffered(url);
    } else {
      const pieces: Uint8Array[] = [];
      // A response that is not gRPC-Web is not from the bridge, and its body is of no use.
      const type = response.headers.get("content-type") ?? "";
      const reader = response.body?.getReader();
      reading.body = reader;
      try {
        if (reader && type.startsWith("application/grpc-web"))
          await readUpTo(reader, pieces, limit);
        else reader?.cancel().catch(() => {});
      } finally {
        body = joined(pieces);
      }
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    text = `${text || "0\n"}\n${message || "no reason was given"}`;
  }
  return [text, body];
}

/** readUpTo reads a body to its end, or until it has at least limit bytes. */
async function readUpTo(reader: BodyReader, pieces: Uint8Array[], limit: number): Promise<void> {
  for (let length = 0; length < limit; ) {
    const { done, value } = await reader.read();
    if (done) return;
    pieces.push(value);
    length += value.length;
  }
}

function joined(pieces: Uint8Array[]): Uint8Array {
  const [first, ...others] = pieces;
  if (!first || others.length === 0) return first ?? new Uint8Array(0);
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
