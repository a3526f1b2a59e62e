// How requests go to a bridge: by fetch, or over WebSockets. Over HTTP/1.1 a browser
// makes six requests to a host at a time and lets the others wait, while their time
// runs out; WebSockets it does not count.

import { diagnose } from "./diagnosis.js";
import { Gate } from "./gate.js";
import { isHeld, suspicious, wasHeld } from "./probe.js";
import { exchange, grpcWeb, openSocket } from "./socket.js";

/** How streams go. */
export type Transport = "auto" | "fetch" | "websocket";

/**
 * @internal How one goes in fact: apart is over a connection of its own if there can be one. It
 * is said of streams whose page lets what came wait, so that others would, too. Duplex is
 * over a WebSocket, on which messages may follow the request.
 */
export type Way = Transport | "apart" | "duplex";

/** @internal A request as the module makes it; wasm/browser/fetch.go is the other side. */
export interface Init extends RequestInit {
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer>;
  signal: AbortSignal;
  /** Fetch where it is not said. */
  transport?: Way;
  /** Whether the answer may take any time, and have any length. */
  streams?: boolean;
  /** Whether it goes on until somebody ends it. */
  endless?: boolean;
  /** Set by send where the answer came by fetch, and a proxy may hold its body back. */
  probed?: boolean;
}

/**
 * The most sockets that a page has at a time; what wants one more waits. Chromium has
 * 255 for all pages of a host.
 */
const maxSockets = 240;

/** The most that streams may take of them, so that discovery always has some. */
const maxStreams = 220;

/** The most calls with one answer that a client should make over them at a time. */
export const maxAsked = 200;

/** How many connect at a time: browsers slow down pages that open many at once. */
const maxConnecting = 4;

const sockets = new Gate(maxSockets);
const doors = new Gate(maxConnecting);
let streams = 0;

/** Where WebSockets have got through, by origin: when one does not, the bridge is away. */
const proven = new Set<string>();

/** Where they do not get through though the bridge answers, and why, by origin. */
const barred = new Map<string, string>();

/** gRPC's codes of refusals. */
const resourceExhausted = 8;
const failedPrecondition = 9;

/**
 * @internal takesSockets reports whether requests to a URL go over WebSockets. By itself that is
 * in browsers, where the URL is not https: to those requests go over HTTP/2.
 */
export function takesSockets(url: string, way: Way = "fetch"): boolean {
  if (way !== "auto" && way !== "apart") return way !== "fetch";
  const { WebSocket, location } = globalThis;
  if (WebSocket === undefined || location === undefined) return false;
  return (way === "apart" || url.startsWith("http:")) && !barred.has(new URL(url).origin);
}

/**
 * @internal mayGoApart reports whether streams to a URL go over one connection, and one that is
 * behind had better not.
 */
export function mayGoApart(url: string, transport: Way): boolean {
  if (transport !== "auto" || wasHeld(url, "lately")) return false;
  return !takesSockets(url, "auto") && takesSockets(url, "apart");
}

/** Which bridges have answered, by scheme and host. Those do not refuse the page. */
const met = new Set<string>();

/** @internal send is fetch that knows of transports, and of what may stand in a page's way. */
export async function send(url: string, init: Init): Promise<Response> {
  const bridge = url.slice(0, url.indexOf("/", "https://".length)); // new URL takes longer
  try {
    const response = await carry(url, init);
    met.add(bridge);
    return response;
  } catch (error) {
    if (init.signal.aborted || met.has(bridge)) throw error;
    const found = await diagnose(url);
    if (!found) throw error;
    return refusal(found.code, found.reason, found.message);
  }
}

async function carry(url: string, init: Init): Promise<Response> {
  if (takesSockets(url, init.transport)) {
    return init.streams ? streamOverSocket(url, init) : sendOverSocket(url, init);
  }
  return init.endless ? streamOverFetch(url, init) : fetch(url, init);
}

/**
 * streamOverFetch is fetch for an answer without end. Where a proxy holds that back it
 * goes over a WebSocket, if it may, and otherwise tells what is wrong; noSocket is why
 * there can be no WebSocket, if that is known.
 */
async function streamOverFetch(url: string, init: Init, noSocket?: string): Promise<Response> {
  const mayMove = init.transport !== "fetch" && init.transport !== undefined && !noSocket;
  const elsewhere = () =>
    mayMove ? streamOverSocket(url, init) : Promise.resolve(streamBuffered(url, noSocket));
  if (wasHeld(url, mayMove ? "lately" : "now")) return elsewhere();
  const { signal } = init;
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", abort, { once: true });
  let over = false;
  let held = false;
  const timer = setTimeout(async () => {
    held = (await isHeld(url)) && !over;
    if (held) controller.abort();
  }, suspicious);
  try {
    const response = await fetch(url, { ...init, signal: controller.signal });
    init.probed = true;
    return response;
  } catch (error) {
    if (!held || signal.aborted) throw error;
    signal.removeEventListener("abort", abort);
    return await elsewhere();
  } finally {
    over = true;
    clearTimeout(timer);
  }
}

/** streamBuffered is the answer where a proxy holds streams back. */
function streamBuffered(url: string, noSocket: string | undefined): Response {
  return refusal(failedPrecondition, "streamBuffered", bufferedMessage(url, noSocket));
}

/** @internal bufferedMessage tells what is wrong where a proxy holds streams back. */
export function bufferedMessage(url: string, noSocket?: string): string {
  const { origin } = new URL(url);
  const sockets = noSocket
    ? `or let WebSockets through (${noSocket})`
    : 'or use transport "auto", which then goes over WebSockets';
  return `a proxy before the bridge at ${origin} holds the answer back: have it pass streams on as they come (in nginx, proxy_buffering off, and no proxy_ignore_headers for X-Accel-Buffering), ${sockets}`;
}

async function streamOverSocket(url: string, init: Init): Promise<Response> {
  if (streams >= maxStreams) {
    return refusal(
      resourceExhausted,
      "tooManyStreams",
      `this page has ${maxStreams} streams open over WebSockets, and browsers have few more: end some of them, or use a bridge over https, where they need none`,
    );
  }
  streams++;
  let counted = true;
  const uncount = () => {
    if (counted) streams--;
    counted = false;
  };
  // A stream that was given up does not count, though closing its socket may take time.
  init.signal.addEventListener("abort", uncount, { once: true });
  try {
    return await sendOverSocket(url, init, uncount);
  } catch (error) {
    uncount();
    throw error;
  }
}

async function sendOverSocket(url: string, init: Init, onEnd = () => {}): Promise<Response> {
  const socket = await reach(url, init.signal);
  if (socket instanceof Response) {
    onEnd();
    return socket;
  }
  if (typeof socket !== "string") {
    const { origin } = new URL(url);
    const onOverrun = () =>
      barred.set(origin, "the bridge sent more than it was asked for, as one of another kind does");
    const request = { ...init, duplex: init.transport === "duplex" };
    return exchange(socket, request, onEnd, onOverrun);
  }
  onEnd();
  if (init.transport !== "websocket" && init.transport !== "duplex") {
    return init.endless ? streamOverFetch(url, init, socket) : fetch(url, init);
  }
  return refusal(
    failedPrecondition,
    "webSocketUnavailable",
    init.transport === "duplex"
      ? `${socket}; shells, and all that a process reads, need one`
      : `${socket}; with transport "auto" or "fetch" the call goes over fetch`,
  );
}

/**
 * reach opens a socket, or tells why there can be none, or returns the answer of what is
 * no bridge. It throws if nothing is there.
 */
async function reach(url: string, signal: AbortSignal): Promise<WebSocket | string | Response> {
  if (globalThis.WebSocket === undefined) {
    return "there is no WebSocket on this platform: Node has it from version 22 on";
  }
  const { origin } = new URL(url);
  let socket: WebSocket | undefined;
  await sockets.enter(signal);
  try {
    await doors.enter(signal);
    try {
      const known = barred.get(origin);
      if (known !== undefined) return known;
      socket = await openSocket(url, signal);
      const answer = socket || proven.has(origin) ? undefined : await ask(url, signal);
      if (answer && !answer.headers.get("content-type")?.startsWith("application/grpc-web")) {
        return answer;
      }
      if (answer) {
        // The bridge may have come up just now: only if it fails again they are barred.
        socket = await openSocket(url, signal);
        if (!socket) {
          const why = `WebSockets to ${origin} do not get through: allow ${origin.replace("http", "ws")} in the connect-src of the page's Content-Security-Policy, and WebSockets in proxies before the bridge`;
          barred.set(origin, why);
          return why;
        }
      }
    } finally {
      doors.leave();
    }
    if (!socket) throw new TypeError("no WebSocket could be opened");
    proven.add(origin);
    socket.addEventListener("close", () => sockets.leave());
    return socket;
  } finally {
    if (!socket) sockets.leave();
  }
}

/** ask returns what answers requests, if only to refuse them; undefined for nothing. */
async function ask(url: string, signal: AbortSignal): Promise<Response | undefined> {
  try {
    const headers = { "content-type": grpcWeb, "x-grpc-web": "1" };
    const response = await fetch(url, { method: "POST", headers, signal, redirect: "error" });
    await response.body?.cancel();
    return response;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** refusal is an answer in place of the bridge's. */
function refusal(status: number, reason: string, message: string): Response {
  return new Response(null, {
    headers: {
      "content-type": grpcWeb,
      "content-length": "0",
      "grpc-status": `${status}`,
      "grpc-message": encodeURIComponent(message),
      "akash-error": reason,
    },
  });
}
