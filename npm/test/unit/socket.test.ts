import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createClient } from "../../src/index.js";
import { type Init, send, usesWebSocket } from "../../src/transport/transport.js";
import { logs, trailers } from "./bridge.js";
import { wasmModule } from "./module.js";

/** A WebSocket that is connected to the test. */
class FakeSocket extends EventTarget {
  static all: FakeSocket[] = [];
  binaryType = "";
  onopen = () => {};
  onclose = () => {};
  onerror: (() => void) | null = null;
  onmessage = (_: { data: ArrayBuffer }) => {};
  sent: Uint8Array[] = [];
  closed = false;
  readonly url: string;
  readonly protocol: string;

  constructor(url: string, protocol: string) {
    super();
    this.url = url;
    this.protocol = protocol;
    FakeSocket.all.push(this);
  }

  send(bytes: ArrayBufferView<ArrayBuffer>): void {
    this.sent.push(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  close(): void {
    if (!this.closed) {
      queueMicrotask(() => {
        this.onclose();
        this.dispatchEvent(new Event("close"));
      });
    }
    this.closed = true;
  }

  /** Sends bytes to the page. */
  say(...bytes: number[]): void {
    this.sayBytes(new Uint8Array(bytes));
  }

  sayBytes(bytes: Uint8Array<ArrayBuffer>): void {
    this.onmessage({ data: bytes.slice().buffer });
  }

  sayText(flag: number, text: string): void {
    this.say(flag, 0, 0, 0, text.length, ...new TextEncoder().encode(text));
  }

  /** What was sent, as text. */
  said(n: number): string {
    return new TextDecoder().decode(this.sent[n]);
  }
}

/** The number of sockets so far. */
let had = 0;

beforeEach(() => {
  FakeSocket.all = [];
  had = 0;
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("location", { origin: "http://page.example", href: "http://page.example/" });
});
afterEach(() => {
  for (const socket of FakeSocket.all) socket.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const abort = () => new AbortController();
const call = (url: string, options: Partial<Init> = {}) =>
  send(url, {
    headers: { a: "b", c: "d" },
    body: new Uint8Array([7, 8]),
    signal: abort().signal,
    transport: "auto",
    ...options,
  });

/** Waits for something that happens within a few turns of the event loop. */
const soon = <T>(check: () => T) => vi.waitUntil(check, { interval: 1 });

/** Opens the next socket and returns it, when the request has been sent. */
async function opened(messages = 3): Promise<FakeSocket> {
  const socket = await soon(() => FakeSocket.all[had]);
  had++;
  socket.onopen();
  await soon(() => socket.sent.length === messages);
  return socket;
}

/** Opens a stream and returns its socket and the reader of its body. */
async function begun(url: string, options: Partial<Init> = {}) {
  const answer = call(url, { streams: true, ...options });
  const socket = await opened(2);
  socket.sayText(0x80, "x: y\r\n");
  const { body } = await answer;
  return { socket, reader: (body as ReadableStream<Uint8Array>).getReader() };
}

/** Makes sockets to an origin fail; the bridge answers requests with the given response. */
function bar(origin: string, answer: () => Response) {
  const fetched = vi.fn(async (url: string, _: RequestInit) => {
    if (!url.startsWith(origin)) throw new TypeError("no such host");
    return answer();
  });
  vi.stubGlobal("fetch", fetched);
  vi.stubGlobal(
    "WebSocket",
    class extends FakeSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol);
        if (url.startsWith(origin.replace("http", "ws"))) this.close();
      }
    },
  );
  return fetched;
}

const grpcWeb = (body: string | null = null) =>
  new Response(body, { headers: { "content-type": "application/grpc-web+proto" } });

describe("a call over a WebSocket", () => {
  test("sends headers, message and end, and reads the response however it is split", async () => {
    const answer = call("http://bridge.example/a.B/C");
    const socket = await opened();
    expect(socket.url).toBe("ws://bridge.example/a.B/C");
    expect(socket.protocol).toBe("grpc-websockets");
    expect(socket.said(0)).toBe("a: b\r\nc: d\r\n");
    expect(socket.sent.slice(1).map((b) => [...b])).toEqual([[0, 7, 8], [1]]);

    socket.say(0x80, 0, 0);
    socket.say(0, 14, ...new TextEncoder().encode("x: y\r\nz: 1:2\r\n"), 1, 2);
    socket.say(3);
    const response = await answer;
    socket.close();
    expect(response.headers.get("x")).toBe("y");
    expect(response.headers.get("z")).toBe("1:2");
    expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([1, 2, 3]);
  });

  test("works over https as over http, if requested", async () => {
    const answer = call("https://bridge.example/a.B/C", { transport: "websocket" });
    const socket = await opened();
    expect(socket.url).toBe("wss://bridge.example/a.B/C");
    socket.sayText(0x80, "x: y\r\n");
    expect((await answer).headers.get("x")).toBe("y");
  });

  test("ends with its signal, before and after the headers, whatever the bridge does", async () => {
    for (const late of [false, true]) {
      const end = abort();
      const answer = call("http://bridge.example/a.B/C", { signal: end.signal });
      const socket = await opened();
      socket.close = () => {
        socket.closed = true; // and nobody is there to hear of it
      };
      if (late) socket.sayText(0x80, "x: y\r\n");
      const body = late ? (await answer).arrayBuffer() : answer;
      end.abort(new Error("enough"));
      await expect(body).rejects.toThrow("enough");
      expect(socket.closed).toBe(true);
    }
  });

  test("fails if the bridge closes without a response, or sends something else", async () => {
    const silent = call("http://bridge.example/a.B/C");
    (await opened()).close();
    await expect(silent).rejects.toThrow(TypeError);
    const odd = call("http://bridge.example/a.B/C");
    (await opened()).sayText(0, "hello");
    await expect(odd).rejects.toThrow(TypeError);
    const endless = call("http://bridge.example/a.B/C");
    (await opened()).say(0x80, 0, 1, 0, 0);
    await expect(endless).rejects.toThrow(TypeError);
  });

  test("waits while others connect, so that the browser does not slow the page down", async () => {
    const calls = Array.from({ length: 10 }, () => call("http://bridge.example/a.B/C"));
    await soon(() => FakeSocket.all.length === 4);
    for (let i = 0; i < calls.length; i++) {
      (await soon(() => FakeSocket.all[i])).onopen();
      await soon(() => FakeSocket.all[i]?.sent.length === 3);
      expect(FakeSocket.all.length).toBeLessThanOrEqual(i + 5);
      FakeSocket.all[i]?.sayText(0x80, "x: y");
    }
    await Promise.all(calls);
  });
});

describe("if WebSockets are blocked", () => {
  test("calls use fetch from then on", async () => {
    const url = "http://barred.example/a.B/C";
    const fetched = bar("http://barred.example", () => grpcWeb("fetched"));
    expect(usesWebSocket(url, "auto")).toBe(true);
    expect(await (await call(url)).text()).toBe("fetched");
    expect(fetched.mock.lastCall?.[0]).toBe(url);
    expect(fetched.mock.lastCall?.[1].body).toEqual(new Uint8Array([7, 8]));
    expect(usesWebSocket(url, "auto")).toBe(false);
    expect(usesWebSocket(url, "websocket")).toBe(true);
    const tried = FakeSocket.all.length;
    expect(await (await call(url)).text()).toBe("fetched");
    expect(FakeSocket.all.length).toBe(tried);
  });

  test("a socket that only dispatches an error, as in Chromium, has failed", async () => {
    const url = "http://forbidden.example/a.B/C";
    vi.stubGlobal("fetch", async () => grpcWeb("fetched"));
    const answer = call(url);
    for (let tries = 0; tries < 2; tries++) (await soon(() => FakeSocket.all[tries]))?.onerror?.();
    expect(await (await answer).text()).toBe("fetched");
  });

  test("a stream that requires them fails with an error that says what to do", async () => {
    bar("http://forced.example", grpcWeb);
    const client = await createClient({
      bridgeUrl: "http://forced.example",
      wasmModule,
      transport: "websocket",
    });
    const stream = client.streamProviderStatus("akash1provider");
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "webSocketUnavailable",
      message: expect.stringMatching(/ws:\/\/forced\.example.*Content-Security-Policy.*"auto"/),
    });
  });

  test("without WebSocket on the platform, such a stream fails, and all others use fetch", async () => {
    vi.stubGlobal("WebSocket", undefined);
    vi.stubGlobal("fetch", async () => new Response("fetched"));
    const url = "http://bridge.example/a.B/C";
    expect(await (await call(url)).text()).toBe("fetched");
    const { headers } = await call(url, { transport: "websocket" });
    expect(headers.get("akash-error")).toBe("webSocketUnavailable");
    expect(headers.get("grpc-message")).toContain("Node");
  });

  test("the bridge is considered down if they worked before, or something else answers, or nothing", async () => {
    const answer = call("http://away.example/a.B/C");
    const socket = await opened();
    socket.sayText(0x80, "x: y\r\n");
    await answer;
    socket.close();
    const fetched = bar("http://away.example", grpcWeb);
    await expect(call("http://away.example/a.B/C")).rejects.toThrow(TypeError);
    expect(fetched).not.toHaveBeenCalled();

    bar("http://down.example", () => new Response("Bad Gateway", { status: 502 }));
    // The module explains the response of a proxy or another server.
    expect((await call("http://down.example/a.B/C")).status).toBe(502);
    expect(usesWebSocket("http://down.example", "auto")).toBe(true);

    bar("http://nothing.example", () => {
      throw new TypeError("Failed to fetch");
    });
    await expect(call("http://nothing.example/a.B/C")).rejects.toThrow(TypeError);
  });

  test("connecting times out after 10 seconds", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    vi.stubGlobal("fetch", async () => grpcWeb("fetched"));
    const answer = call("http://swallowed.example/a.B/C");
    for (let tries = 1; tries <= 2; tries++) {
      await soon(() => FakeSocket.all.length === tries);
      vi.advanceTimersByTime(10_000);
    }
    expect(await (await answer).text()).toBe("fetched");
  });
});

describe("a stream over a WebSocket", () => {
  const kilobytes = (n: number) => new Uint8Array(n * 1024);

  test("sends its window, and acknowledges what was read", async () => {
    const { socket, reader } = await begun("http://window.example/a.B/C");
    expect(socket.said(0)).toBe("a: b\r\nc: d\r\nakash-window: 262144\r\n");
    expect([...(socket.sent[1] as Uint8Array)]).toEqual([0, 7, 8]);

    for (let i = 0; i < 4; i++) socket.sayBytes(kilobytes(64));
    await reader.read();
    expect(socket.sent.length).toBe(2); // it is not worth a message yet
    await reader.read();
    await soon(() => socket.sent.length === 3);
    expect([...(socket.sent[2] as Uint8Array)]).toEqual([0, 0, 0, 0, 0, 4, 0, 2, 0, 0]);
    await reader.read();
    await reader.read();
    await soon(() => socket.sent.length === 4);
  });

  test("is read in pieces as they arrive, with small ones combined", async () => {
    const { socket, reader } = await begun("http://window.example/a.B/C");
    const first = reader.read();
    socket.say(1);
    expect([...((await first).value as Uint8Array)]).toEqual([1]);
    for (let i = 0; i < 100; i++) socket.say(i, i);
    expect((await reader.read()).value?.length).toBe(200);
    socket.sayBytes(kilobytes(60));
    socket.sayBytes(kilobytes(60));
    expect((await reader.read()).value?.length).toBe(60 * 1024);
    socket.close();
    expect((await reader.read()).value?.length).toBe(60 * 1024);
    expect(await reader.read()).toEqual({ done: true, value: undefined });
  });

  test("is closed if the bridge exceeds the window, and the next one uses fetch", async () => {
    const url = "http://overrun.example/a.B/C";
    const { socket, reader } = await begun(url);
    let sent = 0;
    for (; !socket.closed && sent < 100; sent++) socket.sayBytes(kilobytes(64));
    expect(sent * 64).toBeLessThan(256 + 4 * 1024 + 128);
    await expect(reader.read()).rejects.toThrow("faster than the page reads");
    expect(usesWebSocket(url, "auto")).toBe(false);
    const refused = await call(url, { transport: "websocket" });
    expect(refused.headers.get("akash-error")).toBe("webSocketUnavailable");
  });

  test("closes its socket when it is cancelled", async () => {
    const { socket, reader } = await begun("http://window.example/a.B/C");
    const read = reader.read();
    await reader.cancel();
    expect(socket.closed).toBe(true);
    expect((await read).done).toBe(true);
    socket.say(1); // of no effect
  });

  test("is refused if 220 are open, until one of them is closed", async () => {
    const url = "http://many.example/a.B/C";
    const ends: AbortController[] = [];
    for (let i = 0; i < 220; i++) {
      const end = abort();
      ends.push(end);
      await begun(url, { signal: end.signal });
    }
    const refused = await call(url, { streams: true });
    expect(refused.headers.get("grpc-status")).toBe("8");
    expect(refused.headers.get("akash-error")).toBe("tooManyStreams");
    ends[0]?.abort();
    await begun(url);
  });

  // Firefox allows 200 for all pages, WebKitGTK 199.
  test("is refused if the browser allows no more sockets; a call with one answer uses fetch", async () => {
    const origin = "http://full.example";
    const url = `${origin}/a.B/C`;
    const ends: AbortController[] = [];
    for (let i = 0; i < 120; i++) {
      const end = abort();
      ends.push(end);
      await begun(url, { signal: end.signal });
    }
    const fetched = bar(origin, () => grpcWeb("an answer"));
    const refused = await call(url, { streams: true });
    expect(refused.headers.get("grpc-status")).toBe("8");
    expect(refused.headers.get("akash-error")).toBe("tooManyStreams");
    expect(decodeURIComponent(refused.headers.get("grpc-message") ?? "")).toContain("120 streams");
    expect(fetched).toHaveBeenCalledTimes(1);
    expect(await (await call(url)).text()).toBe("an answer");
    // It does not try again before one of them is closed.
    const before = FakeSocket.all.length;
    expect((await call(url, { streams: true })).headers.get("akash-error")).toBe("tooManyStreams");
    expect(FakeSocket.all.length).toBe(before);

    vi.stubGlobal("WebSocket", FakeSocket);
    had = FakeSocket.all.length;
    ends[0]?.abort();
    await begun(url);
  });

  test("delivers lines through the module, and ends as over fetch", async () => {
    const client = await createClient({ bridgeUrl: "http://lines.example", wasmModule });
    const lines: string[] = [];
    const read = (async () => {
      const lease = { owner: "akash1owner", dseq: 1 };
      for await (const { message } of client.streamLogs({ provider: "akash1provider", lease })) {
        lines.push(message);
      }
    })();
    const socket = await opened(2);
    expect(socket.url).toBe("ws://lines.example/akash.provider.lease.v1.LeaseRPC/ServiceLogs");
    expect(socket.said(0)).toContain("akash-provider: akash1provider\r\n");
    socket.sayText(0x80, "akash-method: grpc\r\n");
    socket.sayBytes(logs("web", 0, "one\ntwo\n"));
    socket.sayBytes(trailers());
    socket.close();
    await read;
    expect(lines).toEqual(["one", "two"]);
  });
});

test("only pages that share six connections use WebSockets by default", () => {
  expect(usesWebSocket("http://bridge.example:8080", "auto")).toBe(true);
  expect(usesWebSocket("https://bridge.example", "auto")).toBe(false);
  expect(usesWebSocket("http://bridge.example", "fetch")).toBe(false);
  expect(usesWebSocket("http://bridge.example")).toBe(false);
  vi.stubGlobal("location", undefined);
  expect(usesWebSocket("http://bridge.example", "auto")).toBe(false);
});

test.each([
  [
    "WebKitGTK",
    "(X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    true,
  ],
  [
    "Safari",
    "(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    false,
  ],
  [
    "Safari of a phone",
    "(iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
    false,
  ],
  [
    "Chromium",
    "(X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    false,
  ],
  ["Firefox", "(X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0", false],
])("over https, %s uses WebSockets by default: %s", (_, userAgent, uses) => {
  vi.stubGlobal("navigator", { userAgent: `Mozilla/5.0 ${userAgent}` });
  expect(usesWebSocket("https://bridge.example", "auto")).toBe(uses);
  expect(usesWebSocket("https://bridge.example", "fetch")).toBe(false);
});

/** Sets what the page has loaded, and by which version of HTTP. */
function loaded(...entries: [url: string, version: string][]) {
  const found = (type: string) =>
    entries
      .filter(() => type === "resource")
      .map(([name, nextHopProtocol]) => ({ name, nextHopProtocol }) as PerformanceResourceTiming);
  vi.spyOn(performance, "getEntriesByType").mockImplementation(found);
}

describe("over https, of which nothing says that it is HTTP/2", () => {
  afterEach(() => vi.restoreAllMocks());

  test("WebSockets are used once an answer has come over HTTP/1.1", () => {
    loaded(["https://old.example/a.B/C", "http/1.1"], ["https://new.example/a.B/C", "h2"]);
    expect(usesWebSocket("https://old.example/a.B/C", "auto")).toBe(true);
    expect(usesWebSocket("https://old.example/a.B/C", "fetch")).toBe(false);
    expect(usesWebSocket("https://new.example/a.B/C", "auto")).toBe(false);
    expect(usesWebSocket("https://old.example:444/a.B/C", "auto")).toBe(false);
  });

  test("four streams use fetch, and further ones WebSockets, until one of the four ends", async () => {
    const url = "https://unknown.example/a.B/C";
    const fetched = vi.fn(async () => grpcWeb("fetched"));
    vi.stubGlobal("fetch", fetched);
    const follow = (signal = abort().signal) =>
      call(url, { streams: true, longLived: true, signal });
    const first = abort();
    for (const signal of [first.signal, undefined, undefined, undefined]) await follow(signal);
    expect(fetched).toHaveBeenCalledTimes(4);

    const fifth = follow();
    const socket = await opened(2);
    expect(socket.url).toBe("wss://unknown.example/a.B/C");
    socket.sayText(0x80, "x: y\r\n");
    expect((await fifth).headers.get("x")).toBe("y");
    // Calls with one answer, and streams that end by themselves, go over fetch all the same.
    await call(url, { streams: true });
    await call(url);
    expect(fetched).toHaveBeenCalledTimes(6);

    first.abort();
    await follow();
    expect(fetched).toHaveBeenCalledTimes(7);
    loaded(["https://unknown.example/x", ""], ["https://unknown.example/a.B/C", "h2"]);
    for (let i = 0; i < 10; i++) await follow();
    expect(fetched).toHaveBeenCalledTimes(17);
    expect(FakeSocket.all.length).toBe(1);
  });
});

test("field: a status in the headers was lost where an empty trailer frame followed", async () => {
  const client = await createClient({
    bridgeUrl: "http://status.example",
    wasmModule,
    retries: 0,
  });
  const lease = { owner: "akash1owner", dseq: 1 };
  const stream = client.streamLogs({ provider: "akash1provider", lease, reconnect: false });
  const next = stream[Symbol.asyncIterator]().next();
  next.catch(() => {});
  const socket = await opened(2);
  socket.sayText(0x80, "grpc-status: 14\r\ngrpc-message: no%20upstream\r\n");
  socket.sayBytes(trailers(""));
  socket.close();
  await expect(next).rejects.toMatchObject({
    code: "UNAVAILABLE",
    message: "provider akash1provider: no upstream",
  });
});
