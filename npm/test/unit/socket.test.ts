import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { socketUrl, transport } from "../../src/socket.js";

/** A WebSocket whose other end is the test. */
class FakeSocket {
  static all: FakeSocket[] = [];
  binaryType = "";
  onopen = () => {};
  onclose = () => {};
  onmessage = (_: { data: ArrayBuffer }) => {};
  sent: Uint8Array[] = [];
  closed = false;
  readonly url: string;
  readonly protocol: string;

  constructor(url: string, protocol: string) {
    this.url = url;
    this.protocol = protocol;
    FakeSocket.all.push(this);
  }

  send(bytes: Uint8Array): void {
    this.sent.push(bytes);
  }

  close(): void {
    if (!this.closed) queueMicrotask(() => this.onclose());
    this.closed = true;
  }

  /** Sends bytes to the page. */
  say(...bytes: number[]): void {
    this.onmessage({ data: new Uint8Array(bytes).buffer });
  }

  sayText(flag: number, text: string): void {
    this.say(flag, 0, 0, 0, text.length, ...new TextEncoder().encode(text));
  }
}

beforeEach(() => {
  FakeSocket.all = [];
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("location", { origin: "http://page.example" });
});
afterEach(() => vi.unstubAllGlobals());

const abort = () => new AbortController();
const call = (url: string, signal = abort().signal) =>
  transport(url, { headers: { a: "b", c: "d" }, body: new Uint8Array([7, 8]), signal });

/** Opens the newest socket and returns it. */
async function opened(): Promise<FakeSocket> {
  const socket = await vi.waitUntil(() => FakeSocket.all.at(-1));
  socket.onopen();
  await vi.waitUntil(() => socket.sent.length === 3);
  return socket;
}

describe("a call over a WebSocket", () => {
  test("sends headers, message and end, and reads the answer however it is cut", async () => {
    const answer = call("ws://bridge.example/a.B/C");
    const socket = await opened();
    expect(socket.url).toBe("ws://bridge.example/a.B/C");
    expect(socket.protocol).toBe("grpc-websockets");
    expect(new TextDecoder().decode(socket.sent[0])).toBe("a: b\r\nc: d\r\n");
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

  test("ends with its signal, before and after the headers", async () => {
    for (const late of [false, true]) {
      const end = abort();
      const answer = call("ws://bridge.example/a.B/C", end.signal);
      const socket = await opened();
      if (late) socket.sayText(0x80, "x: y");
      const body = late ? (await answer).arrayBuffer() : answer;
      end.abort(new Error("enough"));
      await expect(body).rejects.toThrow("enough");
      expect(socket.closed).toBe(true);
    }
  });

  test("fails where the bridge closes without an answer, or says something else", async () => {
    const silent = call("ws://bridge.example/a.B/C");
    (await opened()).close();
    await expect(silent).rejects.toThrow(TypeError);
    const odd = call("ws://bridge.example/a.B/C");
    (await opened()).sayText(0, "hello");
    await expect(odd).rejects.toThrow(TypeError);
  });

  test("goes over fetch where WebSockets do not get through, from then on", async () => {
    const bridge = "http://barred.example";
    expect(socketUrl(bridge)).toBe("ws://barred.example");
    const fetched = vi.fn(async (_: string) => new Response("fetched"));
    vi.stubGlobal("fetch", fetched);
    const answer = call("ws://barred.example/a.B/C");
    (await vi.waitUntil(() => FakeSocket.all.at(-1))).close();
    expect(await (await answer).text()).toBe("fetched");
    expect(fetched.mock.calls[0]?.[0]).toBe("http://barred.example/a.B/C");
    expect(socketUrl(bridge)).toBe(bridge);
  });

  test("waits for others to connect, so that the browser does not slow the page down", async () => {
    const calls = Array.from({ length: 10 }, () => call("ws://bridge.example/a.B/C"));
    await vi.waitUntil(() => FakeSocket.all.length === 4);
    for (let i = 0; i < calls.length; i++) {
      (await vi.waitUntil(() => FakeSocket.all[i])).onopen();
      await vi.waitUntil(() => FakeSocket.all[i]?.sent.length === 3);
      expect(FakeSocket.all.length).toBeLessThanOrEqual(i + 5);
      FakeSocket.all[i]?.sayText(0x80, "x: y");
    }
    await Promise.all(calls);
  });
});

test("only pages that share six connections take WebSockets", () => {
  expect(socketUrl("http://bridge.example:8080")).toBe("ws://bridge.example:8080");
  expect(socketUrl("https://bridge.example")).toBe("https://bridge.example");
  vi.stubGlobal("location", undefined);
  expect(socketUrl("http://bridge.example")).toBe("http://bridge.example");
});
