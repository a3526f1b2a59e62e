import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Client } from "../../src/client.js";
import { createClient } from "../../src/index.js";
import type { LogEntry } from "../../src/types.js";
import { answer, fakeBridge, logs, trailers } from "./bridge.js";
import { wasmModule } from "./module.js";

const options = {
  provider: "akash1provider",
  lease: { owner: "akash1owner", dseq: 1 },
  follow: true,
};

let client: Client;

beforeEach(async () => {
  client = await createClient({ bridgeUrl: "https://bridge.example/", wasmModule, retries: 0 });
  vi.spyOn(Math, "random").mockReturnValue(0.01);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const messages = (entries: LogEntry[]) => entries.map(({ message }) => message);

test("a stream resumes after its connection broke, and reports its state", async () => {
  const { requests } = fakeBridge(
    answer([logs("web", 0, "one\ntwo\nthr")]),
    () => {
      throw new TypeError("Failed to fetch");
    },
    answer([logs("web", 0, "one\ntwo\nthree\n"), trailers()]),
  );
  const states: string[] = [];
  const stream = client.streamLogs({ ...options, onState: (state) => states.push(state) });
  const gaps: unknown[] = [];
  stream.onGap((gap) => gaps.push(gap));
  expect(stream.state).toBe("connecting");
  const entries: LogEntry[] = [];
  for await (const entry of stream) entries.push(entry);
  expect(messages(entries)).toEqual(["one", "two", "three"]);
  expect(states).toEqual(["open", "reconnecting", "open", "ended"]);
  expect(stream.state).toBe("ended");
  expect(gaps).toEqual([]);
  expect(requests).toHaveLength(3);
});

test("a gap is reported before the lines that follow it", async () => {
  fakeBridge(
    answer([logs("web", 3, "one\ntwo\n")]),
    answer([logs("web", 3, "another\nlog\n"), trailers()]),
  );
  const seen: unknown[] = [];
  const stream = client.streamLogs({ ...options, onGap: (gap) => seen.push(gap) });
  for await (const { message } of stream) seen.push(message);
  expect(seen).toEqual([
    "one",
    "two",
    { service: "web", replica: 3, lost: null },
    "another",
    "log",
  ]);
});

test("a removed listener is not called, and one that throws has no effect", async () => {
  const thrown = new Promise((resolve) => process.once("uncaughtException", resolve));
  const others = process.listeners("uncaughtException").slice(0, -1);
  for (const other of others) process.off("uncaughtException", other as () => void);
  try {
    fakeBridge(answer([logs("web", 0, "one\n"), trailers()]));
    const stream = client.streamLogs(options);
    const heard: string[] = [];
    stream.onState((state) => heard.push(state))();
    stream.onState((state) => {
      if (state === "open") throw new Error("the page's own");
    });
    const entries: LogEntry[] = [];
    for await (const entry of stream) entries.push(entry);
    expect(messages(entries)).toEqual(["one"]);
    expect(heard).toEqual([]);
    expect(await thrown).toMatchObject({ message: "the page's own" });
  } finally {
    for (const other of others) process.on("uncaughtException", other as () => void);
  }
});

test("without reconnect, a broken connection ends the stream", async () => {
  const { requests } = fakeBridge(answer([logs("web", 0, "one\n")]));
  const stream = client.streamLogs({ ...options, reconnect: false });
  const entries: LogEntry[] = [];
  const reading = async () => {
    for await (const entry of stream) entries.push(entry);
  };
  await expect(reading()).rejects.toMatchObject({ name: "ProviderError", code: "UNAVAILABLE" });
  expect(messages(entries)).toEqual(["one"]);
  expect(requests).toHaveLength(1);
});

test.each([
  [{ reconnect: "no" }, "reconnect must be true or false, not string"],
  [{ onState: 1 }, "onState must be a function, not number"],
  [{ onGap: {} }, "onGap must be a function, not object"],
  [{ heartbeatMs: 10 }, /^heartbeatMs/],
])("%o is refused", (wrong, message) => {
  expect(() => client.streamLogs({ ...options, ...wrong } as never)).toThrow(message);
});
