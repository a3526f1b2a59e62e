// Pages that verify the hash of what they load from a bridge.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isChromium, Stage } from "./harness.js";

let stage: Stage;
let server: Server;
let url: string;
let hashes: Record<string, string>;

// The policy that the README names, in a page of another origin.
beforeAll(async () => {
  stage = await Stage.open();
  hashes = await (await fetch(`${stage.url}/sri.json`)).json();
  server = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.setHeader(
      "Content-Security-Policy",
      `default-src 'none'; script-src ${stage.url} 'wasm-unsafe-eval'; connect-src ${stage.url}`,
    );
    const hash = hashes["akash-provider-web.min.js"];
    response.end(
      `<!doctype html><script src="${stage.url}/akash-provider-web.min.js" integrity="${hash}" crossorigin></script>`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(async () => {
  server?.close();
  await stage?.close();
});

declare const AkashProvider: typeof import("../../src/index.js");

const ask = ([bridgeUrl, provider]: readonly [string, string]) =>
  AkashProvider.createClient({ bridgeUrl }).then(
    async (client) => (await client.getProviderStatus(provider)).status,
    ({ code, message }) => `${code}: ${message}`,
  );

test("a page with the script's hash and a strict policy works", async () => {
  const page = await stage.browser.newPage();
  await page.goto(url);
  expect(await page.evaluate(ask, [stage.url, stage.fake.ready.provider] as const)).toBe("success");
});

// Playwright replaces what these pages load.
test.runIf(isChromium)("its hash also covers the module: another module is refused", async () => {
  const page = await stage.browser.newPage();
  const other = Buffer.from("\0asm\x01\0\0\0", "latin1");
  await page.route("**/*.wasm", (route) =>
    route.fulfill({
      body: other,
      contentType: "application/wasm",
      headers: { "Access-Control-Allow-Origin": "*" },
    }),
  );
  await page.goto(url);
  expect(await page.evaluate(ask, [stage.url, stage.fake.ready.provider] as const)).toMatch(
    /^UNAVAILABLE: cannot load .*of the same version as the script/,
  );
});

test.runIf(isChromium)("another script does not run", async () => {
  const page = await stage.browser.newPage();
  await page.route("**/*.js", (route) =>
    route.fulfill({ body: "AkashProvider = 1", headers: { "Access-Control-Allow-Origin": "*" } }),
  );
  await page.goto(url);
  expect(await page.evaluate("typeof AkashProvider")).toBe("undefined");
});
