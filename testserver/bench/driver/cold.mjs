// Measures the time from navigation to the first status: on the first visit, with an empty
// browser cache, and on later ones. The floor is a page that runs the smallest Go program
// instead of our client.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";
import { launchOptions } from "../../chromium.mjs";
import { launch } from "./chromium.mjs";
import { FarStage } from "./far-stage.mjs";
import { compare } from "./rounds.mjs";
import { Site } from "./site.mjs";
import { Stage } from "./stage.mjs";
import { root, sh } from "./tools.mjs";

const network = {
  offline: false,
  latency: 20,
  downloadThroughput: 50e6 / 8,
  uploadThroughput: 50e6 / 8,
};

/** The emulated networks between the browser and the servers; undefined emulates none. */
const networks = { loopback: undefined, "50 Mbit/s, 20 ms": network };

/** How long Chromium needs after a visit to keep the compiled code, in milliseconds. */
export const cachingTime = 5_000;

export async function measureCold({ visits }) {
  const site = await Site.open();
  const pages = pagesOf(site);
  const browser = await launch();
  const newVisitor = async (url, emulated) => {
    const context = await browser.newContext();
    const ms = await visit(context, url, emulated);
    await context.close();
    return { ms };
  };
  const rows = [];

  const stage = await Stage.open("--log-lines=0");
  const { bridgeUrl, provider } = stage.source();
  const query = `?${new URLSearchParams({ bridgeUrl, provider })}`;
  for (const [where, emulated] of Object.entries(networks)) {
    const visitors = each(pages, (url) => () => newVisitor(url + query, emulated));
    for (const run of Object.values(visitors)) await run();
    rows.push(...(await compareVisits(`first visit, ${where}`, visits, visitors)));
  }

  // Later visits need a browser that keeps what it has cached.
  const profile = mkdtempSync(join(tmpdir(), "bench-profile-"));
  const context = await chromium.launchPersistentContext(profile, launchOptions());
  for (const url of Object.values(pages)) await visit(context, url + query, undefined, cachingTime);
  for (const [where, emulated] of Object.entries(networks)) {
    const visitors = each(pages, (url) => async () => ({
      ms: await visit(context, url + query, emulated),
    }));
    for (const run of Object.values(visitors)) await run();
    rows.push(...(await compareVisits(`second visit, ${where}`, visits, visitors)));
  }
  await context.close();
  rmSync(profile, { recursive: true, force: true });
  await stage.close();

  // Each visit is the first call of a new bridge.
  const far = await FarStage.open({ provider: 80, chain: 150 });
  const visitors = each(pages, (url) => async () => {
    const bridge = await far.startBridge();
    const to = { bridgeUrl: bridge.ready.url, provider: far.provider };
    const result = await newVisitor(`${url}?${new URLSearchParams(to)}`, network);
    await bridge.stop();
    return result;
  });
  for (const run of Object.values(visitors)) await run();
  const where = "50 Mbit/s, 20 ms, a new bridge, the provider 80 ms and the chain 150 ms from it";
  rows.push(...(await compareVisits(`first visit, ${where}`, visits, visitors)));
  await far.close();

  await browser.close();
  await site.close();
  return rows;
}

/** Adds a page for each contender. What it is to ask is in its query. */
export function pagesOf(site) {
  const wasmUrl = site.addModule();
  const workerUrl = site.addWorker();
  const emptyUrl = site.add(join(root, "bin/empty.wasm"));
  const goRoot = sh("go", ["env", "GOROOT"]).trim();
  const glue = `<script src="${site.add(join(goRoot, "lib/wasm/wasm_exec.js"))}"></script>`;
  const settings = (more) =>
    `<script>cold = { ...${JSON.stringify(more)}, ...Object.fromEntries(new URLSearchParams(location.search)) }</script>`;
  const script = (name) => `<script type="module" src="${site.addScript(name)}"></script>`;
  const preload = (url) =>
    `<link rel="preload" as="fetch" type="application/wasm" crossorigin href="${url}">`;
  // As npm/docs/web-app.md advises: a preload would keep Chromium from its code cache.
  const compile = (url) =>
    `<script>var wasmModule = WebAssembly.compileStreaming(fetch("${url}"))</script>`;
  const preloadWorker = `<link rel="modulepreload" as="worker" href="${workerUrl}">`;
  const ours = (worker) =>
    `<body>${compile(wasmUrl)}${worker ? preloadWorker : ""}${settings({ workerUrl, worker })}${script("cold-akash")}`;
  return {
    ours: site.page("/akash", ours(false)),
    worker: site.page("/worker", ours(true)),
    empty: site.page(
      "/empty",
      `<body>${preload(emptyUrl)}${settings({ emptyUrl })}${glue}${script("cold-empty")}`,
    ),
    "connect-web": site.page("/connect", `<body>${settings({})}${script("cold-connect")}`),
  };
}

/**
 * Opens a page, closes it after it has been open for some time, and returns how long its
 * first status took, in milliseconds.
 */
async function visit(context, url, emulated, stay = 0) {
  const page = await context.newPage();
  if (emulated) {
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", emulated);
  }
  // The page reports the time itself. Polling the page would take as long again.
  const report = page.waitForEvent("console", (message) => message.text().startsWith("first "));
  await page.goto(url, { waitUntil: "commit" });
  const ms = Number((await report).text().slice("first ".length));
  if (stay > 0) await sleep(stay);
  await page.close();
  return ms;
}

function each(pages, visitor) {
  return Object.fromEntries(Object.entries(pages).map(([name, url]) => [name, visitor(url)]));
}

/** Compares our client, in the page and in a worker, with connect-web. */
function compareVisits(name, visits, visitors) {
  const row = { unit: "ms", better: "lower", figure: "ms", peers: ["connect-web"], floor: "empty" };
  return compare(name, visits, visitors, [
    { ...row, name: `${name}, to first status`, ours: "ours" },
    { ...row, name: `${name}, in a worker`, ours: "worker" },
  ]);
}
