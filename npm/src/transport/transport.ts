// Sends requests to a bridge, by fetch or over WebSockets. Over HTTP/1.1 a browser allows
// six requests to a host at a time and delays the others, even beyond their time limits.
// WebSockets do not count. WebKit on Linux (WebKitGTK, WPE) allows six POSTs also over
// HTTP/2, since it gives each a connection of its own. An https URL does not tell which
// HTTP is spoken: nginx has HTTP/2 only where it is told so.

import { diagnose } from "./diagnosis.js";
import { hasSpokenHTTP2 } from "./http-version.js";
import { isBuffered, probeAfter, wasBuffered } from "./probe.js";
import { noRedirect } from "./redirect.js";
import { Semaphore } from "./semaphore.js";
import { exchange, grpcWeb, openSocket } from "./socket.js";

/** The transport of streams. */
export type Transport = "auto" | "fetch" | "websocket";

/**
 * @internal The transport of a request: dedicated means a connection of its own, if
 * possible. It is for a stream whose page is slow to read, which would block other streams
 * on a shared connection. Duplex means a WebSocket on which messages may follow the request.
 */
export type RequestTransport = Transport | "dedicated" | "duplex";

/** @internal A request from the module; wasm/browser/fetch.go is the other side. */
export interface Init extends RequestInit {
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer>;
  signal: AbortSignal;
  /** Default: fetch. */
  transport?: RequestTransport;
  /** Whether the response may take any time and have any length. */
  streams?: boolean;
  /** Whether the response does not end by itself. */
  longLived?: boolean;
  /** Set by send if the response came by fetch and a proxy may buffer its body. */
  probed?: boolean;
}

/**
 * The maximum number of open sockets of a page; further requests wait. Chromium allows 255
 * for all pages of a host. Firefox allows 200 for all pages of all hosts, and WebKitGTK 199
 * for a page: see mayBeFull.
 */
const maxSockets = 240;

/** The maximum number of sockets for streams, which leaves some for discovery. */
const maxStreams = 220;

/** The maximum number of concurrent unary calls that a client should make over sockets. */
export const maxCalls = 200;

/**
 * How many sockets may be connecting at a time: browsers slow down pages that open many at
 * once.
 */
const maxConnecting = 4;

/**
 * If that many are open and another one fails although the bridge answers, the browser
 * allows no more. With fewer, the bridge may be restarting.
 */
const mayBeFull = 100;

/**
 * How many streams to an origin may use fetch while its version of HTTP is not known: two
 * of the six connections are left for calls.
 */
const maxUnsure = 4;

/** The open streams over fetch to each origin whose version of HTTP was not known. */
const unsure = new Map<string, number>();

const sockets = new Semaphore(maxSockets);
const connecting = new Semaphore(maxConnecting);
let streams = 0;
let open = 0;

/** How many open sockets the browser allows, once one more was refused. */
let allowed = Number.POSITIVE_INFINITY;

/** openOrExplain's result if the browser allows no more sockets. */
const full = Symbol();

/**
 * The origins to which a WebSocket has been opened. If a later one fails, the bridge is
 * down.
 */
const reachable = new Set<string>();

/**
 * The origins to which WebSockets are blocked although the bridge answers, with the reason.
 */
const blocked = new Map<string, string>();

/** gRPC status codes. */
const resourceExhausted = 8;
const failedPrecondition = 9;

/**
 * @internal usesWebSocket reports whether requests to a URL use WebSockets. By default that
 * is in browsers, unless requests to the URL share a connection over HTTP/2, as they do by
 * https as far as is known.
 */
export function usesWebSocket(url: string, transport: RequestTransport = "fetch"): boolean {
  if (transport !== "auto" && transport !== "dedicated") return transport !== "fetch";
  const { WebSocket, location } = globalThis;
  if (WebSocket === undefined || location === undefined) return false;
  const { origin } = new URL(url);
  const single =
    transport === "dedicated" ||
    url.startsWith("http:") ||
    !postsShare() ||
    hasSpokenHTTP2(origin) === false;
  return single && !blocked.has(origin);
}

/**
 * postsShare reports whether POSTs share a connection over HTTP/2. Only the name tells,
 * since what else could be asked is the same in Safari, whose POSTs do.
 */
function postsShare(): boolean {
  const { userAgent = "" } = globalThis.navigator ?? {};
  return !userAgent.includes("AppleWebKit/605") || userAgent.includes("Mac OS X");
}

/**
 * @internal mayUseOwnConnection reports whether streams to a URL share one connection, and
 * one that falls behind may move to its own.
 */
export function mayUseOwnConnection(url: string, transport: RequestTransport): boolean {
  if (transport !== "auto" || wasBuffered(url, "lately")) return false;
  return !usesWebSocket(url, "auto") && usesWebSocket(url, "dedicated");
}

/** The bridges that have answered, by scheme and host. They do not block the page. */
const answered = new Set<string>();

/**
 * @internal send sends a request over its transport, and explains what may block the page.
 */
export async function send(url: string, init: Init): Promise<Response> {
  const bridge = url.slice(0, url.indexOf("/", "https://".length)); // new URL takes longer
  try {
    const response = await dispatch(url, init);
    answered.add(bridge);
    return response;
  } catch (error) {
    if (init.signal.aborted || answered.has(bridge)) throw error;
    const found = await diagnose(url);
    if (!found) throw error;
    return refusal(found.code, found.reason, found.message);
  }
}

async function dispatch(url: string, init: Init): Promise<Response> {
  if (usesWebSocket(url, init.transport)) {
    return init.streams ? streamOverSocket(url, init) : sendOverSocket(url, init);
  }
  if (!init.longLived) return fetch(url, init);
  return mayFillUp(url, init) ? streamOverSocket(url, init) : streamOverFetch(url, init);
}

/**
 * mayFillUp reports whether a stream over fetch might take a connection that calls need. It
 * counts those that do not.
 */
function mayFillUp(url: string, { transport, signal }: Init): boolean {
  const { origin } = new URL(url);
  if (transport !== "auto" || !usesWebSocket(url, "dedicated") || hasSpokenHTTP2(origin)) {
    return false;
  }
  const count = (more: number) => unsure.set(origin, (unsure.get(origin) ?? 0) + more);
  if ((unsure.get(origin) ?? 0) >= maxUnsure) return true;
  count(1);
  signal.addEventListener("abort", () => count(-1), { once: true });
  return false;
}

/**
 * streamOverFetch fetches a response that does not end by itself. If a proxy buffers it, it
 * uses a WebSocket instead, or returns an error if that is not allowed. noSocket is why
 * there can be no WebSocket, if known.
 */
async function streamOverFetch(url: string, init: Init, noSocket?: string): Promise<Response> {
  const mayUseSocket = init.transport !== "fetch" && init.transport !== undefined && !noSocket;
  const fallBack = () =>
    mayUseSocket ? streamOverSocket(url, init) : Promise.resolve(streamBuffered(url, noSocket));
  if (wasBuffered(url, mayUseSocket ? "lately" : "now")) return fallBack();
  const { signal } = init;
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", abort, { once: true });
  let over = false;
  let buffered = false;
  const timer = setTimeout(async () => {
    buffered = (await isBuffered(url)) && !over;
    if (buffered) controller.abort();
  }, probeAfter);
  try {
    const response = await fetch(url, { ...init, signal: controller.signal });
    init.probed = true;
    return response;
  } catch (error) {
    if (!buffered || signal.aborted) throw error;
    signal.removeEventListener("abort", abort);
    return await fallBack();
  } finally {
    over = true;
    clearTimeout(timer);
  }
}

/** streamBuffered returns the error for streams that a proxy buffers. */
function streamBuffered(url: string, noSocket: string | undefined): Response {
  return refusal(failedPrecondition, "streamBuffered", bufferedMessage(url, noSocket));
}

/** @internal bufferedMessage returns the message for streams that a proxy buffers. */
export function bufferedMessage(url: string, noSocket?: string): string {
  const { origin } = new URL(url);
  const sockets = noSocket
    ? `or let WebSockets through (${noSocket})`
    : 'or use transport "auto", which then goes over WebSockets';
  return `a proxy before the bridge at ${origin} holds the answer back: have it pass streams on as they come (in nginx, proxy_buffering off, and no proxy_ignore_headers for X-Accel-Buffering), ${sockets}`;
}

async function streamOverSocket(url: string, init: Init): Promise<Response> {
  if (streams >= maxStreams) return tooManyStreams(maxStreams);
  streams++;
  let counted = true;
  const uncount = () => {
    if (counted) streams--;
    counted = false;
  };
  // An aborted stream does not count, although closing its socket may take time.
  init.signal.addEventListener("abort", uncount, { once: true });
  try {
    return await sendOverSocket(url, init, uncount);
  } catch (error) {
    uncount();
    throw error;
  }
}

function tooManyStreams(streams: number): Response {
  return refusal(
    resourceExhausted,
    "tooManyStreams",
    `this page has ${streams} streams open over WebSockets, and browsers have few more: end some of them, or use a bridge over https, where they need none`,
  );
}

async function sendOverSocket(url: string, init: Init, onEnd = () => {}): Promise<Response> {
  const socket = await openOrExplain(url, init.signal);
  if (socket instanceof Response) {
    onEnd();
    return socket;
  }
  if (socket === full) {
    onEnd();
    // A call with one answer uses one of the six connections for a moment only.
    return init.streams || init.transport === "duplex" ? tooManyStreams(streams) : fetch(url, init);
  }
  if (typeof socket !== "string") {
    const { origin } = new URL(url);
    const onOverrun = () =>
      blocked.set(
        origin,
        "the bridge sent more than it was asked for, as one of another kind does",
      );
    const request = { ...init, duplex: init.transport === "duplex" };
    return exchange(socket, request, onEnd, onOverrun);
  }
  onEnd();
  if (init.transport !== "websocket" && init.transport !== "duplex") {
    return init.longLived ? streamOverFetch(url, init, socket) : fetch(url, init);
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
 * openOrExplain opens a socket. It returns why there can be none, or full, or the response
 * of a server that is not a bridge. It throws if nothing answers.
 */
async function openOrExplain(
  url: string,
  signal: AbortSignal,
): Promise<WebSocket | string | typeof full | Response> {
  if (globalThis.WebSocket === undefined) {
    return "there is no WebSocket on this platform: Node has it from version 22 on";
  }
  const { origin } = new URL(url);
  let socket: WebSocket | undefined;
  await sockets.acquire(signal);
  try {
    await connecting.acquire(signal);
    try {
      const known = blocked.get(origin);
      if (known !== undefined) return known;
      if (open >= allowed) return full;
      socket = await openSocket(url, signal);
      const down = reachable.has(origin) && open < mayBeFull;
      const answer = socket || down ? undefined : await probeBridge(url, signal);
      if (answer && !answer.headers.get("content-type")?.startsWith("application/grpc-web")) {
        return answer;
      }
      if (answer) {
        // The bridge may have just started. WebSockets are blocked only if this fails, too.
        socket = await openSocket(url, signal);
        if (!socket && reachable.has(origin)) {
          allowed = open;
          return full;
        }
        if (!socket) {
          const why = `WebSockets to ${origin} do not get through: allow ${origin.replace("http", "ws")} in the connect-src of the page's Content-Security-Policy, and WebSockets in proxies before the bridge`;
          blocked.set(origin, why);
          return why;
        }
      }
    } finally {
      connecting.release();
    }
    if (!socket) throw new TypeError("no WebSocket could be opened");
    reachable.add(origin);
    open++;
    socket.addEventListener("close", () => {
      open--;
      sockets.release();
    });
    return socket;
  } finally {
    if (!socket) sockets.release();
  }
}

/**
 * probeBridge returns the response to a request that will be refused, or undefined if
 * nothing answers.
 */
async function probeBridge(url: string, signal: AbortSignal): Promise<Response | undefined> {
  try {
    const headers = { "content-type": grpcWeb, "x-grpc-web": "1" };
    const response = await fetch(url, { method: "POST", headers, signal, redirect: noRedirect });
    await response.body?.cancel();
    return response;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** refusal returns an error in the form of the bridge's. */
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
