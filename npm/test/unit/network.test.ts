// The network of a page goes, and comes back.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Client } from "../../src/client.js";
import { createClient } from "../../src/index.js";
import type { LogEntry } from "../../src/types.js";
import { type Answer, answer, fakeBridge, logs, trailers } from "./bridge.js";
import { wasmModule } from "./module.js";

const options = {
  provider: "akash1provider",
  lease: { owner: "akash1owner", dseq: 1 },
  follow: true,
};
const gone: Answer = () => {
  throw new TypeError("Failed to fetch");
};

let client: Client;
let page: EventTarget;
let listening: Set<string>;

beforeEach(async () => {
  page = new EventTarget();
  listening = new Set();
  vi.stubGlobal("addEventListener", (type: string, listener: () => void) => {
    listening.add(type);
    page.addEventListener(type, listener);
  });
  vi.stubGlobal("removeEventListener", (type: string, listener: () => void) => {
    listening.delete(type);
    page.removeEventListener(type, listener);
  });
  // The longest waits.
  vi.spyOn(Math, "random").mockReturnValue(0.999);
  client = await createClient({ bridgeUrl: "https://bridge.example/", wasmModule, retries: 0 });
});

afterEach(async () => {
  await client.cleanupConnections();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const tell = (type: "offline" | "online") => page.dispatchEvent(new Event(type));

/** How long until something holds, in milliseconds. */
async function took(check: () => void): Promise<number> {
  const start = performance.now();
  await vi.waitFor(check, { timeout: 30_000, interval: 5 });
  return performance.now() - start;
}

test("when the network is back, a stream connects at once instead of waiting", async () => {
  const { requests } = fakeBridge(
    answer([logs("web", 0, "one\n")]),
    ...Array<Answer>(4).fill(gone),
    answer([logs("web", 0, "one\ntwo\n"), trailers()]),
  );
  const read: string[] = [];
  const reading = (async () => {
    for await (const { message } of client.streamLogs(options)) read.push(message);
  })();
  tell("offline");
  // The wait after the fifth failure in a row is three seconds.
  await vi.waitFor(() => expect(requests).toHaveLength(5), { timeout: 10_000 });
  tell("online");
  expect(await took(() => expect(requests).toHaveLength(6))).toBeLessThan(1_000);
  await reading;
  expect(read).toEqual(["one", "two"]);
  expect([...listening]).toEqual([]);
});

test("a stream says when it connects again, and does so at once when it is told to", async () => {
  const { requests } = fakeBridge(
    answer([logs("web", 0, "one\n")]),
    ...Array<Answer>(4).fill(gone),
    answer([logs("web", 0, "one\ntwo\n"), trailers()]),
  );
  const stream = client.streamLogs(options);
  stream.retryNow(); // nothing has begun
  const read: string[] = [];
  const reading = (async () => {
    for await (const { message } of stream) read.push(message);
  })();
  expect(stream.retryAt).toBeUndefined();
  await vi.waitFor(() => expect(requests).toHaveLength(5), { timeout: 10_000 });
  // The wait after the fifth failure in a row is three seconds, of which little has passed.
  await vi.waitFor(() => expect((stream.retryAt ?? 0) - Date.now()).toBeGreaterThan(2_000));
  expect((stream.retryAt ?? 0) - Date.now()).toBeLessThan(3_300);
  stream.retryNow();
  expect(await took(() => expect(requests).toHaveLength(6))).toBeLessThan(1_000);
  await reading;
  expect(read).toEqual(["one", "two"]);
  expect(stream.retryAt).toBeUndefined();
  stream.retryNow(); // everything has ended
});

test("a connection that was silent while the network was gone is replaced at once", async () => {
  const { requests } = fakeBridge(
    answer([logs("web", 0, "one\n")], { open: true }),
    answer([logs("web", 0, "one\ntwo\n"), trailers()]),
  );
  const states: string[] = [];
  const read: LogEntry[] = [];
  const reading = (async () => {
    const stream = client.streamLogs({ ...options, onState: (state) => states.push(state) });
    for await (const entry of stream) read.push(entry);
  })();
  await vi.waitFor(() => expect(read).toHaveLength(1));
  tell("offline");
  tell("online");
  await reading;
  expect(read.map(({ message }) => message)).toEqual(["one", "two"]);
  expect(states).toEqual(["open", "reconnecting", "open", "ended"]);
  expect(requests[0]?.signal.aborted).toBe(true);
});

test("a connection that was not silent goes on, as does one that cannot be resumed", async () => {
  let push: (bytes: Uint8Array<ArrayBuffer>) => void = () => {};
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      push = (bytes) => controller.enqueue(bytes);
    },
  });
  const headers = { "content-type": "application/grpc-web+proto" };
  const { requests } = fakeBridge(
    () => new Response(body, { headers }),
    answer([logs("web", 0, "once\n")], { open: true }),
  );
  const resumable = client.streamLogs(options)[Symbol.asyncIterator]();
  push(logs("web", 0, "one\n"));
  expect(await resumable.next()).toMatchObject({ value: { message: "one" } });
  const next = resumable.next();
  tell("offline");
  push(logs("web", 0, "two\n"));
  expect(await next).toMatchObject({ value: { message: "two" } });
  const last = resumable.next();
  tell("online");

  push(logs("web", 0, "three\n"));
  expect(await last).toMatchObject({ value: { message: "three" } });
  await resumable.return?.();

  const once = client.streamLogs({ ...options, reconnect: false })[Symbol.asyncIterator]();
  expect(await once.next()).toMatchObject({ value: { message: "once" } });
  const pending = once.next();
  tell("offline");
  tell("online");
  expect(requests).toHaveLength(2);
  expect(requests[1]?.signal.aborted).toBe(false);
  await Promise.all([once.return?.(), pending]);
});
