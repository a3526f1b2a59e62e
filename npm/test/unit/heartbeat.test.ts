import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Client } from "../../src/client.js";
import { createClient } from "../../src/index.js";
import type { LogEntry } from "../../src/types.js";
import { type Answer, answer, fakeBridge, frame, logs, trailers } from "./bridge.js";
import { wasmModule } from "./module.js";

const options = {
  provider: "akash1provider",
  lease: { owner: "akash1owner", dseq: 1 },
  follow: true,
  heartbeatMs: 1000,
};

let client: Client;

beforeEach(async () => {
  client = await createClient({ bridgeUrl: "https://bridge.example/", wasmModule, retries: 0 });
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A stream of what the test pushes. */
function pushed() {
  let push: (bytes: Uint8Array<ArrayBuffer>) => void = () => {};
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      push = (bytes) => controller.enqueue(bytes);
    },
  });
  const begin: Answer = () =>
    new Response(body, { headers: { "content-type": "application/grpc-web+proto" } });
  return { begin, push: (bytes: Uint8Array<ArrayBuffer>) => push(bytes) };
}

/** Waits for pending promises. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

test("a stream that receives nothing is closed within two intervals", async () => {
  const { requests } = fakeBridge(answer([logs("web", 0, "one\n")], { open: true }));
  const stream = client.streamLogs({ ...options, reconnect: false });
  const entries = stream[Symbol.asyncIterator]();
  expect(await entries.next()).toMatchObject({ value: { message: "one" } });
  expect(requests[0]?.headers.get("akash-heartbeat")).toBe("1");

  const next = entries.next();
  next.catch(() => {});
  await settle();
  vi.advanceTimersByTime(1500);
  await settle();
  expect(requests[0]?.signal.aborted).toBe(false);
  vi.advanceTimersByTime(500);
  await expect(next).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "streamStalled" });
  expect(requests[0]?.signal.aborted).toBe(true);
});

test("an idle stream with heartbeats stays open", async () => {
  const { begin, push } = pushed();
  fakeBridge(begin);
  const next = client.streamLogs(options)[Symbol.asyncIterator]().next();
  for (let i = 0; i < 5; i++) {
    await settle();
    vi.advanceTimersByTime(1000);
    push(frame(new Uint8Array(0)));
  }
  await settle();
  push(logs("web", 0, "at last\n"));
  expect(await next).toMatchObject({ value: { message: "at last" } });
});

test("a page that does not read is not mistaken for a dead stream", async () => {
  fakeBridge(answer([logs("web", 0, "one\n"), logs("web", 0, "two\n"), trailers()]));
  const entries = client.streamLogs(options)[Symbol.asyncIterator]();
  expect(await entries.next()).toMatchObject({ value: { message: "one" } });
  vi.advanceTimersByTime(60_000);
  await settle();
  expect(await entries.next()).toMatchObject({ value: { message: "two" } });
  expect(await entries.next()).toMatchObject({ done: true });
});

test.each([[0], [false]] as const)("%s disables heartbeats", async (heartbeatMs) => {
  const { requests } = fakeBridge(answer([], { open: true }));
  const entries = client.streamLogs({ ...options, heartbeatMs })[Symbol.asyncIterator]();
  const next: Promise<IteratorResult<LogEntry>> = entries.next();
  await settle();
  vi.advanceTimersByTime(3_600_000);
  await settle();
  expect(requests[0]?.headers.has("akash-heartbeat")).toBe(false);
  expect(requests[0]?.signal.aborted).toBe(false);
  await entries.return?.();
  expect(await next).toMatchObject({ done: true });
});
