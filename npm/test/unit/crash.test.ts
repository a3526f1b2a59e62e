import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Instance } from "../../src/engine/instance.js";
import { createClient } from "../../src/index.js";
import { answer, fakeBridge, frame, logs, trailers } from "./bridge.js";
import { compile } from "./module.js";

beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** started returns a separate module, and the instances of it that are started. */
function started(): { wasmModule: WebAssembly.Module; instances: Instance[] } {
  const wasmModule = compile();
  const instances: Instance[] = [];
  const start = Instance.start;
  vi.spyOn(Instance, "start").mockImplementation(async (module) => {
    const instance = await start(module);
    instances.push(instance);
    return instance;
  });
  return { wasmModule, instances };
}

/** crash makes an instance panic, which no caller can do. */
function crash(instance: Instance | undefined) {
  expect(() => instance?.feed(12345, new Uint8Array(1))).toThrow(/has crashed/);
}

const bridgeUrl = "https://bridge.example";
const provider = "akash1provider";
const lease = { owner: "akash1owner", dseq: 1 };
const status = answer([frame(new Uint8Array()), trailers()]);

test("a panic fails open calls and streams; the next call starts a new instance", async () => {
  const { wasmModule, instances } = started();
  const { requests } = fakeBridge(
    answer([logs("web", 0, "one\n")], { open: true }),
    () => undefined,
    status,
  );
  const client = await createClient({ bridgeUrl, wasmModule });
  const entries = client.streamLogs({ provider, lease, follow: true })[Symbol.asyncIterator]();
  await entries.next();
  const call = client.getProviderStatus(provider);
  await vi.waitFor(() => expect(requests).toHaveLength(2));

  crash(instances[0]);
  const result = await call;
  expect(result).toMatchObject({ status: "error", error: { code: "INTERNAL", provider } });
  expect(result.status === "error" && result.error.message).toContain("nil pointer");
  expect(console.error).toHaveBeenCalledWith(expect.stringContaining("goroutine"));

  const [first, second] = await Promise.all([
    client.getProviderStatus(provider),
    client.getProviderStatus(provider),
  ]);
  expect([first.status, second.status]).toEqual(["success", "success"]);
  expect(instances).toHaveLength(2);

  const closed = entries.return?.();
  await expect(closed).resolves.toEqual({ done: true, value: undefined });
});

test("a stream that waits for its body fails with the panic", async () => {
  const { wasmModule, instances } = started();
  fakeBridge(answer([logs("web", 0, "one\n")], { open: true }));
  const client = await createClient({ bridgeUrl, wasmModule });
  const entries = client.streamLogs({ provider, lease, follow: true })[Symbol.asyncIterator]();
  await entries.next();
  const next = entries.next();
  const failed = expect(next).rejects.toMatchObject({ code: "INTERNAL", provider });
  crash(instances.at(-1));
  await failed;
});

test("ended calls and streams do not wait for a crash", async () => {
  const waiting = new Set<unknown>();
  const onCrash = Instance.prototype.onCrash;
  vi.spyOn(Instance.prototype, "onCrash").mockImplementation(function (this: Instance, f) {
    const forget = onCrash.call(this, f);
    waiting.add(f);
    return () => {
      waiting.delete(f);
      forget();
    };
  });
  const { wasmModule } = started();
  fakeBridge(answer([logs("web", 0, "one\ntwo\n")], { open: true }));
  const client = await createClient({ bridgeUrl, wasmModule });
  const stream = () => client.streamLogs({ provider, lease, follow: true });
  for await (const _ of stream()) break; // while the next line is there
  const entries = stream()[Symbol.asyncIterator]();
  await entries.next();
  await entries.next();
  const next = entries.next(); // while the next line is not there
  expect(waiting.size).toBe(1);
  await client.cleanupConnections();
  await expect(next).rejects.toMatchObject({ code: "CANCELLED" });
  await client.getProviderStatus(provider, { timeoutMs: 1, retries: 0 });
  await vi.waitFor(() => expect(waiting.size).toBe(0));
});
