import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestProvider, type TestProvider } from "../../src/testing/index.js";
import { root } from "./harness.js";

let akash: TestProvider;

beforeAll(async () => {
  akash = await startTestProvider();
});
afterAll(() => akash?.close());

/** Fetches without fetch's own decoding of encodings. */
async function raw(path: string, encoding: string): Promise<{ headers: Headers; body: Buffer }> {
  const { request } = await import("node:http");
  return new Promise((resolve, reject) => {
    request(akash.bridgeUrl + path, { headers: { "Accept-Encoding": encoding } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () =>
        resolve({
          headers: new Headers(response.headers as Record<string, string>),
          body: Buffer.concat(chunks),
        }),
      );
    })
      .on("error", reject)
      .end();
  });
}

test("the module is served compressed, as WebAssembly, and is the built one", async () => {
  const built = await readFile(join(root, "npm/dist/akash-provider-web.wasm"));
  for (const [encoding, decode] of [
    ["br", brotliDecompressSync],
    ["gzip", gunzipSync],
  ] as const) {
    const { headers, body } = await raw("/akash-provider-web.wasm", encoding);
    expect(headers.get("content-type")).toBe("application/wasm");
    expect(headers.get("content-encoding")).toBe(encoding);
    expect(decode(body).equals(built)).toBe(true);
    expect(body.length).toBeLessThan(built.length / 2);
  }
  expect((await raw("/akash-provider-web.wasm", "identity")).body.equals(built)).toBe(true);
});

test("every file that the page refers to is served, and cached for ever", async () => {
  const page = await (await fetch(`${akash.bridgeUrl}/`)).text();
  const named = [...page.matchAll(/(?:href|src)="(\/[^"]+\?v=([0-9a-f]+))"/g)];
  expect(named.map(([, path]) => path?.replace(/\?.*/, "")).sort()).toEqual([
    "/akash-provider-web.wasm",
    "/app-style.css",
    "/app.js",
    "/icon.svg",
  ]);
  for (const [, path, version] of named) {
    const response = await fetch(akash.bridgeUrl + path);
    expect(response.status, path).toBe(200);
    expect(response.headers.get("cache-control"), path).toContain("immutable");
    const sum = createHash("sha256")
      .update(Buffer.from(await response.arrayBuffer()))
      .digest("hex");
    expect(sum.startsWith(version ?? "-"), path).toBe(true);
  }
});

test("every part of the dashboard that is loaded later is served, and cached for ever", async () => {
  const app = await (await fetch(`${akash.bridgeUrl}/app.js`)).text();
  const parts = [...app.matchAll(/"\.\/(chunks\/[\w.-]+)"/g)];
  expect(parts.length).toBeGreaterThan(5);
  for (const [, path] of parts) {
    const response = await fetch(`${akash.bridgeUrl}/${path}`);
    expect(response.status, path).toBe(200);
    expect(response.headers.get("content-type"), path).toContain("text/javascript");
    expect(response.headers.get("cache-control"), path).toContain("immutable");
  }
});

test("files with fixed names are downloaded again only if they changed", async () => {
  for (const path of ["/", "/akash-provider-web.min.js", "/akash-provider-web.wasm"]) {
    const first = await raw(path, "br");
    expect(first.headers.get("cache-control")).toBe("no-cache");
    const again = await fetch(akash.bridgeUrl + path, {
      headers: { "Accept-Encoding": "br", "If-None-Match": first.headers.get("etag") ?? "" },
    });
    expect(again.status, path).toBe(304);
  }
});

test("the bridge's health checks succeed", async () => {
  expect((await fetch(`${akash.bridgeUrl}/healthz`)).status).toBe(200);
});
