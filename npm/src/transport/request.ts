import { type BodyReader, bodyReader } from "./byte-reader.js";
import { isHeld } from "./probe.js";
import { senderOf } from "./socket.js";
import type { Init, Way } from "./transport.js";

/**
 * What the module is told of a request: its number; the status, the headers and an
 * error, in lines; and the body, or what that is read from.
 */
type Answered = (id: number, text: string, body: Uint8Array | BodyReader | null) => void;

/** A request on its way, for the module to abort. */
interface Sent {
  abort(): void;
}

/**
 * makeRequest makes the function by which the module sends requests, in as few calls
 * between the two as can be; wasm/browser/fetch.go is the other side. Headers come as
 * lines. Where most is not 0, the answer is read as a whole, up to so many bytes.
 */
export function makeRequest(send: (url: string, init: Init) => Promise<Response>) {
  return (
    url: string,
    headers: string,
    body: Uint8Array<ArrayBuffer>,
    transport: Way | "",
    streams: boolean,
    endless: boolean,
    most: number,
    id: number,
    answered: Answered,
  ): Sent => {
    const controller = new AbortController();
    const init: Init = {
      method: "POST",
      headers: {},
      body,
      signal: controller.signal,
      // A redirect would carry credentials to whoever is named in it.
      redirect: "error",
    };
    for (const line of headers.split("\n")) {
      const colon = line.indexOf(":");
      if (colon > 0) init.headers[line.slice(0, colon)] = line.slice(colon + 1);
    }
    // What is not fetch's own is for a function that stands in for it.
    if (transport) {
      init.transport = transport;
      init.streams = streams;
      init.endless = endless;
    }
    const reading: Reading = {};
    void answer(send, url, init, most, id, answered, reading);
    return {
      abort: () => {
        controller.abort();
        // The signal alone is not enough: in Node before version 24 a request with
        // redirect "error" forgets its signal when garbage is collected while the body
        // is read (https://github.com/nodejs/undici/issues/4627).
        reading.body?.cancel().catch(() => {});
      },
    };
  };
}

/** The body of an answer that is being read. */
interface Reading {
  body?: BodyReader | undefined;
}

async function answer(
  send: (url: string, init: Init) => Promise<Response>,
  url: string,
  init: Init,
  most: number,
  id: number,
  answered: Answered,
  reading: Reading,
): Promise<void> {
  let text = "";
  let body: Uint8Array | BodyReader | null = null;
  try {
    // Browsers note where a request was made, which takes its time below the module's
    // many frames.
    await undefined;
    const response = await send(url, init);
    text = `${response.status}\n`;
    for (const [name, value] of response.headers) text += `${name}:${value}\n`;
    if (init.signal.aborted) {
      await response.body?.cancel();
      init.signal.throwIfAborted();
    }
    if (most === 0) {
      body = response.body && bodyReader(response.body);
      const send = senderOf(response.body);
      if (body && send) body.send = send;
      reading.body = body ?? undefined;
      if (body && init.probed) body.isHeld = () => isHeld(url);
    } else {
      const pieces: Uint8Array[] = [];
      // An answer that is not gRPC-Web is not the bridge's, and its body tells nothing.
      const type = response.headers.get("content-type") ?? "";
      const reader = response.body?.getReader();
      reading.body = reader;
      try {
        if (reader && type.startsWith("application/grpc-web")) await take(reader, pieces, most);
        else reader?.cancel().catch(() => {});
      } finally {
        body = joined(pieces);
      }
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    text = `${text || "0\n"}\n${message || "no reason was given"}`;
  }
  answered(id, text, body);
}

/** take reads a body to its end, or until it has so many bytes. */
async function take(reader: BodyReader, pieces: Uint8Array[], most: number): Promise<void> {
  for (let length = 0; length < most; ) {
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
