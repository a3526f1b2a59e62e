// The package in Deno, Bun and workerd, Cloudflare's runtime: a provider's status, and its
// log with lines that are written while it is followed.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { build } from "esbuild";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePorts } from "../../../testserver/chaos/ports.mjs";
import { startTestProvider, type TestProvider } from "../../src/testing/index.js";
import { root, serviceLogs, until } from "../e2e/harness.js";

const here = import.meta.dirname;
const bin = (name: string) => join(here, "node_modules/.bin", name);

let akash: TestProvider;
let running: ChildProcess | undefined;
let folder: string;

beforeEach(async () => {
  akash = await startTestProvider({ logLines: 200 });
  // A project that has installed the package.
  folder = await mkdtemp(join(tmpdir(), "akash-runtimes-"));
  for (const file of ["program.mjs", "workerd.mjs", "follow.mjs"]) {
    await copyFile(join(here, file), join(folder, file));
  }
  const dependencies = { "akash-provider-web": "*" };
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module", dependencies }));
  await mkdir(join(folder, "node_modules"));
  await symlink(join(root, "npm"), join(folder, "node_modules/akash-provider-web"));
});
afterEach(async () => {
  if (running && running.exitCode === null) {
    running.kill("SIGKILL");
    await once(running, "exit");
  }
  running = undefined;
  await akash.close();
  await rm(folder, { recursive: true });
});

/** What is to be followed, as follow.mjs wants it. */
const what = () => {
  const { bridgeUrl, provider, lease, auth } = akash;
  return JSON.stringify({
    bridgeUrl,
    provider,
    lease: { ...lease, dseq: `${lease.dseq}` },
    token: auth.jwt.token,
  });
};

/** Reads what a runtime prints, writes to the log when it has its history, and compares. */
async function expectLog(output: Readable): Promise<void> {
  const { active } = (await akash.status()).cluster.leases;
  const expected: string[] = [];
  const logs = await akash.logs();
  const [first] = logs;
  if (!first) throw new Error("no logs");
  for (const log of logs) {
    const lines = (await akash.log(log)).split("\n").slice(0, -1);
    expected.push(...lines.map((line) => `${log.service}/${log.replica}: ${line}`));
  }
  const [status, ...read] = await (async () => {
    const read: string[] = [];
    for await (const line of createInterface({ input: output })) {
      read.push(line);
      if (read.length === 1 + expected.length) await akash.write(first, "grüße 🚀\nlast\n");
    }
    return read;
  })();
  const name = `${first.service}/${first.replica}`;
  expect(status).toBe(`${active} leases`);
  expect(read.slice(-2)).toEqual([`${name}: grüße 🚀`, `${name}: last`]);
  expect(read.slice(0, -2).sort()).toEqual(expected.sort());
  // Leaving the loop ends the stream.
  await until("no stream is left", 5_000, async () => (await akash.open(serviceLogs)) === 0);
}

test.each([
  ["Bun", "bun", []],
  [
    "Deno",
    "deno",
    ["run", "--allow-net", "--allow-read", "--allow-env", "--node-modules-dir=manual"],
  ],
])("%s", async (_, name, flags) => {
  const program = spawn(bin(name), [...flags, "program.mjs", what()], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  running = program;
  const ended = once(program, "exit");
  await expectLog(program.stdout);
  // It ends by itself, although the module is still there.
  expect(await ended).toEqual([0, null]);
});

test("workerd, with the module imported at build", async () => {
  const wasm = "akash-provider-web/akash-provider-web.wasm";
  await build({
    entryPoints: [join(folder, "workerd.mjs")],
    outfile: join(folder, "worker.js"),
    bundle: true,
    format: "esm",
    // workerd has the modules that its configuration names.
    external: [wasm],
    logLevel: "warning",
  });
  await copyFile(join(root, "npm/dist/akash-provider-web.wasm"), join(folder, "module.wasm"));
  const port = await freePorts();
  await writeFile(
    join(folder, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [
        (name = "worker.js", esModule = embed "worker.js"),
        (name = "${wasm}", wasm = embed "module.wasm"),
      ],
      compatibilityDate = "2026-11-01",
      globalOutbound = "loopback",
    )),
    (name = "loopback", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
`,
  );
  const program = spawn(bin("workerd"), ["serve", "config.capnp"], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
  });
  running = program;
  const url = `http://127.0.0.1:${port}/`;
  // Two requests, since what belongs to one may not be used in another.
  for (let i = 0; i < 2; i++) {
    const response = await until("workerd answers", 20_000, () =>
      fetch(url, { method: "POST", body: what() }).catch(() => undefined),
    );
    await expectLog(Readable.fromWeb(response.body as never));
    await akash.close();
    akash = await startTestProvider({ logLines: 200 });
  }
});
