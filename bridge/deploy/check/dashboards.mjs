// Checks the dashboard and the alerts with a real Prometheus that scrapes a bridge under
// load: every query of the dashboard returns data, and no rule fails.
//
//   node bridge/deploy/check/dashboards.mjs [--screenshot FILE]
//
// It needs `make build`, and prometheus in the PATH. With --screenshot it keeps a picture of
// the dashboard's queries in Prometheus' own interface.

import { spawn } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "../../../npm/dist/node.js";
import { startTestProvider } from "../../../npm/dist/testing/index.js";

const deploy = fileURLToPath(new URL("../", import.meta.url));
const screenshot = process.argv[2] === "--screenshot" ? process.argv[3] : undefined;

/** How long the bridge is under load, in milliseconds, and how often it is scraped. */
const load = screenshot ? 60_000 : 10_000;
const scrape = "1s";

/** Values for Grafana's variables. */
const variables = { __rate_interval: "5s", instance: ".*" };

/** Enough that there is one that has not been called for every second. */
const providers = load / 1_000 + 1;

const provider = await startTestProvider({ providers });
const directory = await mkdtemp(join(tmpdir(), "prometheus-"));
const prometheus = await startPrometheus();
let failed = false;
try {
  const loaded = makeLoad(Date.now() + load);
  if (screenshot) {
    await sleep(load - 12_000);
    await takeScreenshot(screenshot);
  }
  await loaded;
  await checkDashboard();
  await checkRules();
} finally {
  prometheus.process.kill("SIGKILL");
  await prometheus.ended;
  await provider.close();
  await rm(directory, { recursive: true });
}
process.exit(failed ? 1 : 0);

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Starts a Prometheus that scrapes the bridge and evaluates the alerts. */
async function startPrometheus() {
  await copyFile(join(deploy, "prometheus/alerts.yaml"), join(directory, "alerts.yaml"));
  const config = {
    global: { scrape_interval: scrape, scrape_timeout: scrape, evaluation_interval: scrape },
    scrape_configs: [
      {
        job_name: "akash-provider-bridge",
        static_configs: [{ targets: [new URL(provider.bridgeUrl).host] }],
      },
    ],
    rule_files: ["alerts.yaml"],
  };
  // JSON is YAML.
  await writeFile(join(directory, "prometheus.yaml"), JSON.stringify(config));
  const port = await freePort();
  const child = spawn(
    "prometheus",
    [
      `--config.file=${join(directory, "prometheus.yaml")}`,
      `--storage.tsdb.path=${join(directory, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn",
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  const ended = new Promise((resolve, reject) => {
    child.on("exit", resolve);
    child.on("error", reject);
  });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 100; tries++) {
    const ready = await fetch(`${url}/-/ready`).catch(() => undefined);
    if (ready?.ok) return { url, process: child, ended };
    await sleep(100);
  }
  child.kill("SIGKILL");
  throw new Error("Prometheus did not start within 10 s");
}

/** Returns a port that is free now. Prometheus does not report the one that it picks. */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Calls the bridge in several ways until a time. */
async function makeLoad(until) {
  const client = await createClient({ bridgeUrl: provider.bridgeUrl, retries: 0 });
  const { provider: address, lease, jwt } = provider.ready;
  const end = new AbortController();
  const follow = async () => {
    const options = { provider: address, lease, follow: true, auth: { type: "jwt", token: jwt } };
    try {
      for await (const _ of client.streamLogs({ ...options, signal: end.signal }));
    } catch (error) {
      if (!end.signal.aborted) throw error;
    }
  };
  const streams = [follow(), follow(), follow()];
  const others = provider.ready.providers.map(({ provider }) => provider);
  while (Date.now() < until) {
    const other = others[Math.floor((until - Date.now()) / 1_000)];
    const console = { method: "GET", url: `${provider.ready.hostUri}/status`, providerAddress: address };
    await Promise.all([
      ...Array.from({ length: 5 }, () => client.getProviderStatus(address)),
      client.getProviderStatus(other), // a new one needs a chain query and a handshake
      client.getProviderStatus("akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv"),
      post("", "application/json", console),
      post(`/${address}/akash.provider.v1.ProviderRPC/GetStatus`, "application/json", {}),
      post("/akash.provider.v1.ProviderRPC/GetStatus", "application/grpc-web+proto", {}, "https://stranger.example"),
    ]);
    await sleep(50 + 200 * Math.random());
  }
  end.abort();
  await Promise.all(streams);
}

async function post(path, type, body, origin) {
  const headers = { "content-type": type, ...(origin && { origin }) };
  const url = `${provider.bridgeUrl}${path || "/"}`;
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  await response.arrayBuffer();
}

/** Returns the dashboard's queries. */
async function queries() {
  const file = join(deploy, "grafana/akash-provider-bridge.json");
  const { panels } = JSON.parse(await readFile(file, "utf8"));
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      title,
      expr: expr.replace(/\$(\w+)/g, (_, name) => variables[name]),
    })),
  );
}

async function ask(path, parameters = {}) {
  const response = await fetch(`${prometheus.url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const { status, data, error } = await response.json();
  if (status !== "success") throw new Error(`${path}: ${error}`);
  return data;
}

/** Checks that every query of the dashboard returns numbers. */
async function checkDashboard() {
  const all = await queries();
  let points = 0;
  for (const { title, expr } of all) {
    const now = Date.now() / 1000;
    const { result } = await ask("query_range", { query: expr, start: now - load / 1000, end: now, step: 1 });
    const values = result.flatMap((series) => series.values).filter(([, v]) => v !== "NaN");
    points += values.length;
    if (values.length === 0) report(`"${title}" returns nothing: ${expr}`);
  }
  console.log(`${all.length} queries of the dashboard return ${points} values`);
}

/** Checks that the rules are evaluated without an error. */
async function checkRules() {
  const { groups } = await ask("rules");
  const rules = groups.flatMap((group) => group.rules);
  if (rules.length === 0) report("no rules are loaded");
  for (const { name, health, lastError } of rules) {
    if (health !== "ok") report(`${name} is ${health}: ${lastError}`);
  }
  const { alerts } = await ask("alerts");
  for (const { labels, state } of alerts) {
    if (state === "firing") report(`${labels.alertname} fires for a bridge that works`);
  }
  console.log(`${rules.length} alerts are evaluated`);
}

function report(problem) {
  console.error(problem);
  failed = true;
}

/** Keeps a picture of the first query of each panel in Prometheus' interface. */
async function takeScreenshot(file) {
  const { chromium } = await import("../../../npm/node_modules/playwright-core/index.mjs");
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium" });
  const page = await browser.newPage({ viewport: { width: 1000, height: 2700 } });
  const shown = ["Calls by result", "Failures by reason", "Open streams", "TLS handshakes"];
  const parameters = (await queries())
    .filter(({ title }) => shown.includes(title))
    .flatMap(({ expr }, i) => [
      [`g${i}.expr`, expr],
      [`g${i}.tab`, "0"],
      [`g${i}.range_input`, "30s"],
    ]);
  await page.goto(`${prometheus.url}/graph?${new URLSearchParams(parameters)}`);
  await page.addStyleTag({ content: ".navbar { position: static !important }" });
  await page.waitForTimeout(5_000); // Prometheus draws without saying when it is done
  await page.screenshot({ path: file, fullPage: false });
  await browser.close();
}
