import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createClientFrom } from "../../src/client.js";
import { createClient } from "../../src/index.js";
import type { LogGap, StreamState } from "../../src/types.js";
import { window } from "../../src/worker/worker-protocol.js";
import { answer, fakeBridge, frame, logs, trailers } from "./bridge.js";
import { FakeWorker } from "./fake-worker.js";
import { wasmModule } from "./module.js";

const bridgeUrl = "https://bridge.example";
const provider = "akash1provider";
const lease = { owner: "akash1owner", dseq: 1 };
const status = answer([frame(new Uint8Array()), trailers()]);
const workerUrl = "https://page.example/worker.js";
const options = { bridgeUrl, wasmModule, workerUrl, worker: true, retries: 0 };

beforeEach(() => {
  vi.stubGlobal("Worker", FakeWorker);
  vi.stubGlobal("location", new URL("https://page.example/"));
});

afterEach(() => {
  for (const worker of FakeWorker.running) worker.onerror?.({ message: "the test is over" });
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("a worker", () => {
  test("is shared, ends with the last client, and starts again at the next call", async () => {
    fakeBridge(status);
    const [first, second] = await Promise.all([createClient(options), createClient(options)]);
    expect(FakeWorker.running.size).toBe(1);
    await first.cleanupConnections();
    expect(FakeWorker.running.size).toBe(1);
    await second.cleanupConnections();
    expect(FakeWorker.running.size).toBe(0);

    const results = await Promise.all([1, 2].map(() => first.getProviderStatus(provider)));
    expect(results.map(({ status }) => status)).toEqual(["success", "success"]);
    expect(FakeWorker.running.size).toBe(1);
    await first.cleanupConnections();
    expect(FakeWorker.running.size).toBe(0);
  });

  test("ends when all calls and streams have ended, and not before", async () => {
    const { requests } = fakeBridge(() => undefined);
    const client = await createClient(options);
    const call = client.getProviderStatus(provider);
    const entries = client.streamLogs({ provider, lease })[Symbol.asyncIterator]();
    const read = expect(entries.next()).rejects.toMatchObject({ code: "CANCELLED" });
    await vi.waitFor(() => expect(requests).toHaveLength(2));
    expect(await client.cleanupConnections()).toMatchObject({ closedChannels: 2 });
    expect(FakeWorker.running.size).toBe(0);
    expect(await call).toMatchObject({ error: { code: "CANCELLED" }, attempts: 1 });
    expect(requests.every(({ signal }) => signal.aborted)).toBe(true);
    await read;
  });

  test("does not remain if a client cannot be created", async () => {
    const wasmUrl = "https://page.example/nothing.wasm";
    vi.stubGlobal("fetch", async () => new Response("", { status: 404 }));
    const { wasmModule: _, ...rest } = options;
    await expect(createClient({ ...rest, wasmUrl })).rejects.toThrow(/HTTP 404/);
    await vi.waitFor(() => expect(FakeWorker.running.size).toBe(0));
  });

  test("that crashes fails open streams after their received lines; the next call starts another", async () => {
    const { requests } = fakeBridge(
      answer([logs("web", 0, "one\n"), logs("web", 0, "two\n")], { open: true }),
      () => undefined,
      status,
    );
    const client = await createClient(options);
    const batches = client.streamLogs({ provider, lease, follow: true }).batches();
    await batches.next();
    const call = client.getProviderStatus(provider);
    await vi.waitFor(() => expect(requests).toHaveLength(2));
    await new Promise((resolve) => setTimeout(resolve, 20)); // The second line has come, too.

    for (const worker of FakeWorker.running) worker.onerror?.({ message: "out of order" });
    expect(FakeWorker.running.size).toBe(0);
    const message = "the worker has crashed (out of order); the next call starts another one";
    const error = { name: "ProviderError", code: "INTERNAL", message, provider };
    expect(await call).toMatchObject({ status: "error", error });
    expect((await batches.next()).value).toMatchObject([{ message: "two" }]);
    await expect(batches.next()).rejects.toMatchObject(error);
    expect(await batches.next()).toEqual({ done: true, value: undefined });

    expect(await client.getProviderStatus(provider)).toMatchObject({ status: "success" });
    expect(FakeWorker.running.size).toBe(1);
  });

  test("reports events between the right batches", async () => {
    fakeBridge(
      answer([logs("web", 0, "one\n"), logs("web", 0, "two\n")]),
      answer([logs("web", 0, "other\n"), trailers()]),
    );
    const client = await createClient(options);
    const seen: string[] = [];
    const stream = client.streamLogs({
      provider,
      lease,
      follow: true,
      onState: (state: StreamState) => seen.push(state),
      onGap: ({ service, replica, lost }: LogGap) => seen.push(`gap ${service} ${replica} ${lost}`),
    });
    for await (const { message } of stream) {
      seen.push(message);
      // Everything has arrived while the page does something else.
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (message === "other") break;
    }
    expect(seen).toEqual([
      "open",
      "one",
      "two",
      "reconnecting",
      "open",
      "gap web 0 null",
      "other",
      "ended",
    ]);
  });

  test("says when a stream connects again, and does so at once when it is told to", async () => {
    const { requests } = fakeBridge(
      answer([logs("web", 0, "one\n")]),
      ...Array.from({ length: 4 }, () => () => {
        throw new TypeError("Failed to fetch");
      }),
      answer([logs("web", 0, "one\ntwo\n"), trailers()]),
    );
    const client = await createClient(options);
    const stream = client.streamLogs({ provider, lease, follow: true });
    const read: string[] = [];
    const reading = (async () => {
      for await (const { message } of stream) read.push(message);
    })();
    for (let failures = 1; failures <= 5; failures++) {
      await vi.waitFor(() => expect(stream.error?.attempts).toBe(failures), { timeout: 10_000 });
      expect(stream.retryAt).toBeGreaterThan(Date.now() - 10_000);
      stream.retryNow();
    }
    await reading;
    expect(read).toEqual(["one", "two"]);
    expect(requests).toHaveLength(6);
    expect(stream.retryAt).toBeUndefined();
  });

  test("reads no more than its window while the page does not read, and loses nothing", async () => {
    const count = 40;
    let pulled = 0;
    fakeBridge(() => {
      const body = new ReadableStream(
        {
          pull(controller) {
            const i = pulled++;
            if (i < count) controller.enqueue(logs("web", 0, `${i}\n`));
            else if (i === count) controller.enqueue(trailers());
            else controller.close();
          },
        },
        { highWaterMark: 0 },
      );
      return new Response(body, { headers: { "content-type": "application/grpc-web+proto" } });
    });
    const client = await createClient(options);
    const entries = client.streamLogs({ provider, lease })[Symbol.asyncIterator]();
    const messages = [(await entries.next()).value?.message];
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(pulled).toBe(1 + window);
    for (let entry = await entries.next(); !entry.done; entry = await entries.next()) {
      messages.push(entry.value.message);
    }
    expect(messages).toEqual(Array.from({ length: count }, (_, i) => `${i}`));
  });
});

describe("createClient", () => {
  /** started returns the script of the created worker. */
  async function started(more: object = {}): Promise<FakeWorker> {
    const client = await createClient({ ...options, ...more });
    const [worker] = FakeWorker.running;
    await client.cleanupConnections();
    return worker as FakeWorker;
  }

  test("starts a worker from where workerUrl says", async () => {
    expect(await started()).toMatchObject({
      url: workerUrl,
      options: { type: "module", name: "akash-provider-web" },
    });
    expect((await started({ workerUrl: "/w.js" })).url).toBe("https://page.example/w.js");
  });

  test("starts one from a path, which Next.js uses for URLs", async () => {
    const url = { toString: () => "/media/worker.js" } as URL;
    const worker = () => ({ url, type: "module" as const });
    const { workerUrl: _, ...rest } = options;
    const client = await createClientFrom(rest, { url: () => url, worker });
    expect([...FakeWorker.running].map(({ url }) => url)).toEqual([
      "https://page.example/media/worker.js",
    ]);
    await client.cleanupConnections();
  });

  test("starts one of its own origin that loads a script of another origin", async () => {
    const { url } = await started({ workerUrl: "https://cdn.example/worker.js" });
    expect(url).toMatch(/^blob:/);
  });

  test("fails with an error if there are no workers", async () => {
    vi.stubGlobal("Worker", undefined);
    await expect(createClient(options)).rejects.toMatchObject({
      name: "ProviderError",
      code: "UNIMPLEMENTED",
      message: expect.stringContaining("leave out worker"),
    });
  });

  test.each([
    ["throws", "SecurityError: no"],
    ["fails", "worker-src 'self'"],
  ])("says where a worker that %s was looked for, and tries again", async (how, says) => {
    vi.stubGlobal(
      "Worker",
      class extends FakeWorker {
        constructor(url: string, options: WorkerOptions) {
          if (how === "throws") throw new DOMException("no", "SecurityError");
          super(url, options);
        }
        override postMessage() {
          this.onerror?.({});
        }
      },
    );
    const made = createClient(options);
    const error = { name: "ProviderError", code: "UNAVAILABLE" };
    await expect(made).rejects.toMatchObject(error);
    await expect(made).rejects.toThrow(workerUrl);
    await expect(made).rejects.toThrow(says);
    expect(FakeWorker.running.size).toBe(0);

    vi.stubGlobal("Worker", FakeWorker);
    expect((await started()).url).toBe(workerUrl);
  });

  test("gives up on a worker that does not answer", async () => {
    vi.useFakeTimers();
    try {
      vi.stubGlobal(
        "Worker",
        class extends FakeWorker {
          override postMessage() {}
        },
      );
      const made = expect(createClient(options)).rejects.toThrow(/did not answer within 30000 ms/);
      await vi.advanceTimersByTimeAsync(30_000);
      await made;
      expect(FakeWorker.running.size).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
