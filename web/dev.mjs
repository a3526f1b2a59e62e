// "make dev": a fake provider and chain, a bridge and its dashboard, like "make run", but
// rebuilt and restarted when a source changes. Open pages are reloaded.
//
//   node web/dev.mjs [--listen ADDRESS:PORT]
//
// make decides what to rebuild. Only a program that has changed is restarted; the fake
// provider keeps its addresses, certificates and logs. Ctrl-C ends everything.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { serve } from "./front.mjs";
import { start } from "./program.mjs";
import { reloader } from "./reload.mjs";
import { bin, dashboard, listenAddress, root } from "./stage.mjs";
import { wallet } from "./wallet.mjs";

const { values } = parseArgs({ options: { listen: { type: "string" } } });

/** The folders with the programs' sources; those that do not exist are skipped. */
const folders = [
  ...["bridge", "wasm", "proto", "npm/src", "web/src", "web/build", "testserver/fake"],
  ...["web", "testserver"].map((name) => `${name}/.`), // only the files in these folders
];

/** How long to wait for more files after one has changed, in milliseconds. */
const settle = 100;

const state = mkdtempSync(join(tmpdir(), "akash-dev-"));
const free = "127.0.0.1:0";
let fake;
let bridge;
let built = {};
const pages = reloader();

/** Returns whether a change of the file can change a program. */
function matters(name) {
  return (
    /\.(go|ts|tsx|js|mjs|css|html|svg|proto)$/.test(name) && !/(_test\.go|\.test\.ts)$/.test(name)
  );
}

/** Runs make build and shows its output. Returns whether it succeeded. */
async function build() {
  const make = spawn("make", ["--silent", "build"], { cwd: root, stdio: ["ignore", 2, 2] });
  const [code] = await once(make, "exit");
  return code === 0;
}

/** When the programs were built. */
function builds() {
  const time = (name) => statSync(join(bin, name), { throwIfNoEntry: false })?.mtimeMs;
  return { testserver: time("testserver"), bridge: time("akash-provider-bridge") };
}

/** Restarts the programs that have changed. */
async function restart() {
  const now = builds();
  if (now.testserver !== built.testserver) {
    const { rest = free, grpc = free, chain = free } = fake?.addresses ?? {};
    await fake?.stop();
    fake = await start(join(bin, "testserver"), [
      ...["--rest", rest, "--grpc", grpc, "--chain", chain, "--state", state],
      ...["--log-lines", "5000", "--log-rate", "10"],
    ]);
    const { ready } = fake;
    fake.addresses = { rest: ready.rest, grpc: ready.grpc, chain: new URL(ready.chainRpc).host };
  }
  if (now.bridge !== built.bridge) {
    await bridge?.stop();
    bridge = undefined;
    bridge = await start(join(bin, "akash-provider-bridge"), [
      ...["--listen", free, "--chain-rpc", fake.ready.chainRpc],
      ...["--grpc-port", fake.ready.grpc.split(":").at(-1), "--allow-private-networks"],
    ]);
  }
  built = now;
}

let changed = new Set();
let timer;
let working;

/** Records a change, and builds when no more follow. */
function note(name) {
  changed.add(name);
  clearTimeout(timer);
  timer = setTimeout(() => {
    working ??= update().finally(() => (working = undefined));
  }, settle);
}

async function update() {
  while (changed.size > 0) {
    const names = [...changed];
    changed = new Set();
    const from = Date.now();
    console.log(`${names.slice(0, 3).join(", ")}${names.length > 3 ? " …" : ""} changed`);
    try {
      if (!(await build())) throw new Error("the build failed; what ran before still runs");
      await restart();
      pages.reload();
      console.log(`ready again after ${((Date.now() - from) / 1000).toFixed(1)} s`);
    } catch (error) {
      console.error(error.message);
    }
  }
}

/** Watches a folder and those below it; for a name that ends in /. only its own files. */
function watchFolder(folder) {
  const path = join(root, folder);
  const recursive = !folder.endsWith("/.");
  if (!existsSync(path) || readdirSync(path).length === 0) return;
  watch(path, { recursive }, (_, name) => {
    if (name && matters(name)) note(join(folder, name));
  });
}

async function stop(code) {
  await Promise.allSettled([bridge?.stop(), fake?.stop()]);
  rmSync(state, { recursive: true, force: true });
  process.exit(code);
}

process.on("SIGINT", () => stop(0));
process.on("SIGTERM", () => stop(0));

try {
  if (!(await build())) throw new Error("the build failed");
  await restart();
  const address = await listenAddress(values.listen, "dev");
  const front = await serve(address, () => bridge && new URL(bridge.ready.url), [
    pages,
    wallet(() => fake.ready),
  ]);
  folders.forEach(watchFolder);
  console.log(`
  Dashboard  ${dashboard(front.url)}
  Provider   ${fake.ready.provider} at ${fake.ready.hostUri} (fake)
  Control    ${fake.ready.control} (see testserver/README.md)

  Sources are watched. Ctrl-C stops everything.
`);
} catch (error) {
  console.error(error.message);
  await stop(1);
}
