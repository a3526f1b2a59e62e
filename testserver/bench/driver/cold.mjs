// Measures the time from navigation to the first status, with an empty browser cache.
// The floor is a page that runs the smallest Go program instead of our client.

import { join } from "node:path";
import { launch } from "./chromium.mjs";
import { compare } from "./rounds.mjs";
import { Site } from "./site.mjs";
import { Stage } from "./stage.mjs";
import { root, sh } from "./tools.mjs";

/** The emulated networks between the browser and the servers; undefined emulates none. */
const networks = {
  loopback: undefined,
  "50 Mbit/s, 20 ms": {
    offline: false,
    latency: 20,
    downloadThroughput: 50e6 / 8,
    uploadThroughput: 50e6 / 8,
  },
};

export async function measureCold({ visits }) {
  const site = await Site.open();
  const stage = await Stage.open("--log-lines=0");
  const wasmUrl = site.addModule();
  const { bridgeUrl, provider } = stage.source();
  const emptyUrl = site.add(join(root, "bin/empty.wasm"));
  const goRoot = sh("go", ["env", "GOROOT"]).trim();
  const glue = `<script src="${site.add(join(goRoot, "lib/wasm/wasm_exec.js"))}"></script>`;
  const settings = `<script>cold = ${JSON.stringify({ bridgeUrl, provider, wasmUrl, emptyUrl })}</script>`;
  const script = (name) => `<script type="module" src="${site.addScript(name)}"></script>`;
  const preload = (url) =>
    `<link rel="preload" as="fetch" type="application/wasm" crossorigin href="${url}">`;
  const pages = {
    ours: site.page("/akash", `<body>${preload(wasmUrl)}${settings}${script("cold-akash")}`),
    empty: site.page(
      "/empty",
      `<body>${preload(emptyUrl)}${settings}${glue}${script("cold-empty")}`,
    ),
    "connect-web": site.page("/connect", `<body>${settings}${script("cold-connect")}`),
  };
  const browser = await launch();

  const visit = (url, network) => async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    if (network) {
      const session = await context.newCDPSession(page);
      await session.send("Network.enable");
      await session.send("Network.emulateNetworkConditions", network);
    }
    // The page reports the time itself. Polling the page would take as long again.
    const report = page.waitForEvent("console", (message) => message.text().startsWith("first "));
    await page.goto(url, { waitUntil: "commit" });
    const ms = Number((await report).text().slice("first ".length));
    await context.close();
    return { ms };
  };

  const rows = [];
  for (const [where, network] of Object.entries(networks)) {
    const visitors = Object.fromEntries(
      Object.entries(pages).map(([name, url]) => [name, visit(url, network)]),
    );
    for (const run of Object.values(visitors)) await run();
    const name = `cold start to first status, ${where}`;
    rows.push(
      ...(await compare(name, visits, visitors, [
        {
          name,
          unit: "ms",
          better: "lower",
          figure: "ms",
          ours: "ours",
          peers: ["connect-web"],
          floor: "empty",
        },
      ])),
    );
  }
  await browser.close();
  await stage.close();
  await site.close();
  return rows;
}
