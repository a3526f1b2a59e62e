import { readFileSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { createClient } from "../../src/index.js";
import { answer, fakeBridge, frame, trailers } from "./bridge.js";

const bytes = readFileSync(new URL("../../dist/akash-provider-web.wasm", import.meta.url));

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** serve answers each fetch of the module with the next of the responses. */
function serve(...responses: (() => Response)[]) {
  const fetch = vi.fn(async (_url: URL) => {
    const next = responses.shift();
    if (!next) throw new TypeError("Failed to fetch");
    return next();
  });
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

const wasm = (type: string) => () => new Response(bytes, { headers: { "content-type": type } });
const bridgeUrl = "https://bridge.example";

test("the module is loaded once for all clients", async () => {
  const fetch = serve(wasm("application/wasm"));
  const wasmUrl = "https://page.example/once.wasm";
  await Promise.all([createClient({ bridgeUrl, wasmUrl }), createClient({ bridgeUrl, wasmUrl })]);
  await createClient({ bridgeUrl, wasmUrl });
  expect(fetch).toHaveBeenCalledOnce();
  expect(fetch.mock.calls[0]?.[0].href).toBe(wasmUrl);
});

test("a wrong MIME type causes a warning only", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  serve(wasm("application/octet-stream"));
  await createClient({ bridgeUrl, wasmUrl: "https://page.example/type.wasm" });
  expect(warn.mock.calls[0]?.[0]).toContain("Content-Type: application/wasm");
});

test("progress is reported to all waiting callers, and its end to later ones", async () => {
  const fetch = serve(wasm("application/wasm"));
  const wasmUrl = "https://page.example/progress.wasm";
  const [first, second, late] = [vi.fn(), vi.fn(), vi.fn()];
  await Promise.all([
    createClient({ bridgeUrl, wasmUrl, onProgress: first }),
    createClient({ bridgeUrl, wasmUrl, onProgress: second }),
  ]);
  await createClient({ bridgeUrl, wasmUrl, onProgress: late });
  const end = { loaded: bytes.length, total: bytes.length };
  for (const onProgress of [first, second, late]) {
    expect(onProgress).toHaveBeenLastCalledWith(end);
    const loaded = onProgress.mock.calls.map(([progress]) => progress.loaded);
    expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
  }
  expect(late).toHaveBeenCalledOnce();
  expect(fetch).toHaveBeenCalledOnce();
});

test("loading is retried after a failure", async () => {
  const wasmUrl = "https://page.example/flaky.wasm";
  const error = { name: "ProviderError", code: "UNAVAILABLE" };
  const fetch = serve();
  await expect(createClient({ bridgeUrl, wasmUrl })).rejects.toMatchObject(error);
  serve(() => new Response("no", { status: 404 }));
  await expect(createClient({ bridgeUrl, wasmUrl })).rejects.toThrow(/HTTP 404/);
  serve(() => new Response("<html>", { headers: { "content-type": "application/wasm" } }));
  const broken = await createClient({ bridgeUrl, wasmUrl });
  expect(await broken.getProviderStatus("akash1provider")).toMatchObject({
    error: { code: "UNAVAILABLE", message: expect.stringContaining("cannot compile") },
  });
  expect(fetch).toHaveBeenCalledOnce();
  serve(wasm("application/wasm"));
  await createClient({ bridgeUrl, wasmUrl });
});

test("wasmModule must be a module", async () => {
  await expect(createClient({ bridgeUrl, wasmModule: bytes as never })).rejects.toThrow(TypeError);
});

test("a promise of a module is not waited for, and its error is that of the calls", async () => {
  const { requests } = fakeBridge(answer([frame(new Uint8Array()), trailers()]));
  let arrive = (_: WebAssembly.Module) => {};
  const wasmModule = new Promise<WebAssembly.Module>((resolve) => {
    arrive = resolve;
  });
  const client = await createClient({ bridgeUrl, wasmModule });
  const call = client.getProviderStatus("akash1provider");
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  arrive(await WebAssembly.compile(bytes));
  expect(await call).toMatchObject({ status: "success" });

  for (const [wasmModule, message] of [
    [Promise.reject(new TypeError("Failed to fetch")), /rejected: TypeError: Failed to fetch/],
    [Promise.resolve(bytes as never), /something else than a WebAssembly.Module/],
  ] as const) {
    const client = await createClient({ bridgeUrl, wasmModule });
    expect(await client.getProviderStatus("akash1provider")).toMatchObject({
      error: { code: "UNAVAILABLE", message: expect.stringMatching(message) },
    });
  }
});

test("nothing is loaded if an option has the wrong type", async () => {
  const fetch = serve();
  await expect(createClient({ bridgeUrl, retries: -1 })).rejects.toThrow(TypeError);
  expect(fetch).not.toHaveBeenCalled();
});

test("the browser's entry in Node says which entry to import", async () => {
  const wasmUrl = new URL("../../dist/akash-provider-web.wasm", import.meta.url);
  await expect(createClient({ bridgeUrl, wasmUrl })).rejects.toMatchObject({
    name: "ProviderError",
    code: "UNAVAILABLE",
    message: expect.stringMatching(/file:.*In Node import "akash-provider-web", or its node\.js/),
  });
});
