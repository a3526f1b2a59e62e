// Pages that verify the hash of what they load from a bridge.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Stage } from "./harness.js";

let stage: Stage;
/** The page. */
let site: Server;
/** What serves the script and the module: the bridge's files, but for those that tests replace. */
let mirror: Server;
let replaced: Record<string, string>;
let hashes: Record<string, string>;

const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const listening = (server: Server) =>
  new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

// The policy that the README names, in a page of another origin.
beforeAll(async () => {
  stage = await Stage.open();
  hashes = await (await fetch(`${stage.url}/sri.json`)).json();
  mirror = createServer(async ({ url = "" }, response) => {
    const { pathname } = new URL(url, stage.url);
    const original = await fetch(`${stage.url}${url}`);
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Content-Type", original.headers.get("content-type") ?? "");
    response.end(replaced[pathname] ?? Buffer.from(await original.arrayBuffer()));
  });
  site = createServer((_, response) => {
    const from = urlOf(mirror);
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.setHeader(
      "Content-Security-Policy",
      `default-src 'none'; script-src ${from} 'wasm-unsafe-eval'; connect-src ${from} ${stage.url}`,
    );
    const hash = hashes["akash-provider-web.min.js"];
    response.end(
      `<!doctype html><script src="${from}/akash-provider-web.min.js" integrity="${hash}" crossorigin></script>`,
    );
  });
  await Promise.all([listening(mirror), listening(site)]);
});
afterAll(async () => {
  for (const server of [site, mirror]) {
    server?.closeAllConnections();
    server?.close();
  }
  await stage?.close();
});

declare const AkashProvider: typeof import("../../src/index.js");

/** Opens the page, with other files than the bridge's at some paths. */
async function open(files: Record<string, string> = {}): Promise<Page> {
  replaced = files;
  const page = await stage.browser.newPage();
  await page.goto(urlOf(site));
  return page;
}

/** What comes of a call in the page. */
const outcome = (page: Page) =>
  page.evaluate(
    ([bridgeUrl, provider]) =>
      AkashProvider.createClient({ bridgeUrl }).then(
        async (client) => (await client.getProviderStatus(provider)).status,
        ({ code, message }) => `${code}: ${message}`,
      ),
    [stage.url, stage.fake.provider] as const,
  );

test("a page with the script's hash and a strict policy works", async () => {
  expect(await outcome(await open())).toBe("success");
});

test("its hash also covers the module: another module is refused", async () => {
  const page = await open({ "/akash-provider-web.wasm": "\0asm\x01\0\0\0" });
  expect(await outcome(page)).toMatch(
    /^UNAVAILABLE: cannot load .*of the same version as the script/,
  );
});

test("another script does not run", async () => {
  const page = await open({ "/akash-provider-web.min.js": "AkashProvider = 1" });
  expect(await page.evaluate("typeof AkashProvider")).toBe("undefined");
});
